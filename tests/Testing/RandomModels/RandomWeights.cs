using System.Runtime.InteropServices;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Testing;

/// <summary>
/// Random weights in memory, for devices that keep a copy of their own: a model of 8 billion weights is made in seconds, because all layers
/// are one and the
/// same here. On the device each layer has its own memory, so that a step costs what it costs with a real model.
/// </summary>
public static class RandomWeights
{
    /// <summary>A llama of some shape, with the tensor type for every matrix (see <see cref="RandomModelOptions.GgmlType"/>).</summary>
    public static (ModelConfig Config, ModelWeights Weights) Llama(RandomModelShape shape, GgmlType type, ulong seed = 1)
    {
        (int queries, int keys) = (shape.Heads * shape.HeadSize, shape.KvHeads * shape.HeadSize);
        var layer = new LayerWeights
        {
            AttentionNorm = Ones("attn_norm", shape.Width),
            Query = Matrix(0, type, queries, shape.Width, seed),
            Key = Matrix(1, type, keys, shape.Width, seed),
            Value = Matrix(2, type, keys, shape.Width, seed),
            AttentionOutput = Matrix(3, type, shape.Width, queries, seed),
            FeedForwardNorm = Ones("ffn_norm", shape.Width),
            Gate = Matrix(4, type, shape.FeedForward, shape.Width, seed),
            Up = Matrix(5, type, shape.FeedForward, shape.Width, seed),
            Down = Matrix(6, type, shape.Width, shape.FeedForward, seed),
        };
        TensorData embeddings = Matrix(7, type, shape.VocabularySize, shape.Width, seed);
        var weights = new ModelWeights
        {
            TokenEmbeddings = embeddings,
            Layers = [.. Enumerable.Repeat(layer, shape.Layers)],
            OutputNorm = Ones("output_norm", shape.Width),
            Output = shape.TiedEmbeddings ? embeddings : Matrix(8, type, shape.VocabularySize, shape.Width, seed),
        };
        return (Config(shape), weights);
    }

    /// <summary>
    /// A matrix [rows, columns] that keeps the deviation of what goes through it; made on all cores. Others have another <paramref
    /// name="number"/>.
    /// </summary>
    public static TensorData Matrix(int number, GgmlType type, int rows, int columns, ulong seed = 1)
    {
        type = RandomRows.Fitting(type, columns);
        var random = new RandomRows(type, 0, 1 / MathF.Sqrt(columns), seed, number);
        int rowBytes = checked((int)type.RowBytes(columns));
        byte[] pinned = GC.AllocateUninitializedArray<byte>(checked(rows * rowBytes), pinned: true);
        Parallel.For(0, rows, row => random.Fill(row, pinned.AsSpan(row * rowBytes, rowBytes)));
        return new TensorData($"random {number}", type, rows, columns, Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0), pinned);
    }

    private static ModelConfig Config(RandomModelShape shape) => new()
    {
        Architecture = "llama",
        Name = "random",
        Layers = shape.Layers,
        Width = shape.Width,
        Heads = shape.Heads,
        KvHeads = shape.KvHeads,
        HeadSize = shape.HeadSize,
        FeedForward = shape.FeedForward,
        VocabularySize = shape.VocabularySize,
        ContextLength = shape.ContextLength,
        NormEpsilon = 1e-5f,
        Rope = new RopeParameters(
            RopeStyle.Interleaved,
            shape.HeadSize,
            [.. Enumerable.Range(0, shape.HeadSize / 2).Select(i => MathF.Pow(10_000, -2f * i / shape.HeadSize))]),
        TiedEmbeddings = shape.TiedEmbeddings,
        AttentionBias = false,
        QkNorm = false,
    };

    private static TensorData Ones(string name, int length) => TensorData.FromFloats(name, 1, length, [.. Enumerable.Repeat(1f, length)]);
}
