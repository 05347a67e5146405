using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels;

/// <summary>F32 activations on a device: [rows, columns], row-major, rows up to the step's token budget.</summary>
public abstract class Tensor(int rows, int columns) : IDisposable
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>F32 constants on a device: norm weights and biases.</summary>
public abstract class Vector(int length) : IDisposable
{
    public int Length { get; } = length;

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>A weight matrix [rows = output features, columns = input features] in the layout that the device prefers.</summary>
public abstract class Matrix(GgmlType type, int rows, int columns) : IDisposable
{
    public GgmlType Type { get; } = type;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Sines and cosines for every position up to a maximum.</summary>
public abstract class RopeTable : IDisposable
{
    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>The paged KV cache of one model on one device: <see cref="BlockCount"/> blocks of every layer.</summary>
public abstract class KvCache(KvLayout layout, int blockCount) : IDisposable
{
    public KvLayout Layout { get; } = layout;

    public int BlockCount { get; } = blockCount;

    /// <summary>
    /// Says that the blocks 0 … <paramref name="blocks"/> − 1 (at most <see cref="BlockCount"/>) will be written soon, so that a device whose memory comes
    /// with its first use can have it there before. Advice: returns at once, and changes no content. Any thread; one at a time.
    /// </summary>
    public virtual void Expect(int blocks)
    {
    }

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>A point in the stream of a device's work; see <see cref="Device.Record"/>.</summary>
public abstract class DeviceEvent : IDisposable
{
    /// <summary>True once all the work before it is done. Any thread.</summary>
    public abstract bool IsComplete { get; }

    /// <summary>Blocks until all the work before it is done. Any thread.</summary>
    public abstract void Wait();

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>One matrix product of a <see cref="Device.NormedProjection"/>.</summary>
/// <param name="Weights">[output features, input features]</param>
/// <param name="Bias">[output features] or null</param>
/// <param name="Output">[rows, output features]</param>
public readonly record struct Projection(Matrix Weights, Vector? Bias, Tensor Output);

/// <summary>Heads of an attention layer.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key/value heads; query head h reads KV head h / (Heads / KvHeads).</param>
/// <param name="HeadSize">Elements of a head.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadSize);

/// <summary>RMS norm of each query and key head before RoPE (qwen3).</summary>
/// <param name="Query">[headSize]</param>
/// <param name="Key">[headSize]</param>
/// <param name="Epsilon">Added to the mean square.</param>
public sealed record HeadNorm(Vector Query, Vector Key, float Epsilon);
