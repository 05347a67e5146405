using System.Numerics.Tensors;
using ServingGrid.Kernels;
using ServingGrid.Model.Gguf;
using Tensor = ServingGrid.Kernels.Tensor;

namespace ServingGrid.Testing.Reference;

internal sealed class ReferenceTensor(int rows, int columns) : Tensor(rows, columns)
{
    public float[] Values { get; } = new float[rows * columns];

    public Span<float> Row(int row) => Values.AsSpan(row * Columns, Columns);

    public override void Dispose()
    {
    }
}

internal sealed class ReferenceVector(float[] values) : Vector(values.Length)
{
    public float[] Values { get; } = values;

    public override void Dispose()
    {
    }
}

/// <summary>Dequantised to F32 once: the reference is about meaning, not memory.</summary>
internal sealed class ReferenceMatrix : Matrix
{
    private readonly float[] _values;

    public ReferenceMatrix(TensorData source)
        : base(source.Type, source.Rows, source.Columns)
    {
        _values = new float[source.Rows * source.Columns];
        Parallel.For(0, source.Rows, r => Dequantizer.DequantizeRow(source.Type, source.Row(r), _values.AsSpan(r * Columns, Columns)));
    }

    public ReadOnlySpan<float> Row(int row) => _values.AsSpan(row * Columns, Columns);

    public override void Dispose()
    {
    }
}

internal sealed class ReferenceRope(float[] cosines, float[] sines, int pairs, bool interleaved) : RopeTable
{
    public int Pairs { get; } = pairs;

    /// <summary>Rotates the leading 2·pairs elements of a head to a position.</summary>
    public void Rotate(Span<float> head, int position)
    {
        for (int i = 0; i < Pairs; i++)
        {
            int a = interleaved ? 2 * i : i;
            int b = interleaved ? 2 * i + 1 : i + Pairs;
            float cos = cosines[position * Pairs + i];
            float sin = sines[position * Pairs + i];
            (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[a] * sin + head[b] * cos);
        }
    }

    public override void Dispose()
    {
    }
}

/// <summary>The cache as floats that were rounded to the cache's type when written.</summary>
internal sealed class ReferenceKvCache(KvLayout layout, int blockCount) : KvCache(layout, blockCount)
{
    private readonly float[] _values = new float[(long)layout.Layers * blockCount * 2 * layout.PartElements];

    /// <summary>K and V of one block of one layer, indexed by <see cref="KvLayout.KeyOffset"/> and <see cref="KvLayout.ValueOffset"/>.</summary>
    public Span<float> Block(int layer, int block)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(block, BlockCount);
        int size = 2 * Layout.PartElements;
        return _values.AsSpan((layer * BlockCount + block) * size, size);
    }

    /// <summary>A key or a value of one head as the cache keeps it.</summary>
    public float[] Round(ReadOnlySpan<float> head)
    {
        // One scale for the head; the nearest integers.
        float scale = Layout.Type == KvType.Q8 ? TensorPrimitives.MaxMagnitude(head) / 127 : 0;
        float[] rounded = new float[head.Length];
        for (int d = 0; d < head.Length; d++)
        {
            float number = Layout.Type switch
            {
                KvType.F16 => (float)(Half)head[d],
                KvType.F32 => head[d],
                _ => scale == 0 ? 0 : MathF.Round(head[d] / scale) * scale,
            };
            rounded[d] = float.IsFinite(number) ? number : BitConverter.UInt32BitsToSingle(0x7FC00000);
        }

        return rounded;
    }

    public override void Dispose()
    {
    }
}

internal sealed class ReferenceEvent : DeviceEvent
{
    public override bool IsComplete => true;

    public override void Wait()
    {
    }

    public override void Dispose()
    {
    }
}
