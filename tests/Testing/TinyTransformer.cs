using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Testing;

/// <summary>A llama of 2 layers, 32 wide, with 96 tokens and random F32 weights, in memory: a step takes microseconds.</summary>
public static class TinyTransformer
{
    public const int VocabularySize = 96;

    private const int Width = 32;
    private const int Heads = 4;
    private const int KvHeads = 2;
    private const int HeadSize = 8;
    private const int FeedForward = 48;

    public static ModelConfig Config { get; } = new()
    {
        Architecture = "llama",
        Name = "tiny",
        Layers = 2,
        Width = Width,
        Heads = Heads,
        KvHeads = KvHeads,
        HeadSize = HeadSize,
        FeedForward = FeedForward,
        VocabularySize = VocabularySize,
        ContextLength = 512,
        NormEpsilon = 1e-5f,
        Rope = new RopeParameters(RopeStyle.Interleaved, HeadSize, [1f, 0.1f, 0.01f, 0.001f]),
        TiedEmbeddings = false,
        AttentionBias = false,
        QkNorm = false,
    };

    /// <summary>The same seed, the same weights.</summary>
    public static ModelWeights Weights(int seed = 1)
    {
        var random = new Random(seed);
        return new ModelWeights
        {
            TokenEmbeddings = Matrix("token_embd", VocabularySize, Width, random, 1),
            Layers = [.. Enumerable.Range(0, Config.Layers).Select(_ => Layer(random))],
            OutputNorm = Ones("output_norm"),
            Output = Matrix("output", VocabularySize, Width, random, 3f / MathF.Sqrt(Width)),
        };
    }

    private static LayerWeights Layer(Random random) => new()
    {
        AttentionNorm = Ones("attn_norm"),
        Query = Matrix("attn_q", Heads * HeadSize, Width, random, 2f / MathF.Sqrt(Width)),
        Key = Matrix("attn_k", KvHeads * HeadSize, Width, random, 2f / MathF.Sqrt(Width)),
        Value = Matrix("attn_v", KvHeads * HeadSize, Width, random, 2f / MathF.Sqrt(Width)),
        AttentionOutput = Matrix("attn_output", Width, Heads * HeadSize, random, 2f / MathF.Sqrt(Width)),
        FeedForwardNorm = Ones("ffn_norm"),
        Gate = Matrix("ffn_gate", FeedForward, Width, random, 2f / MathF.Sqrt(Width)),
        Up = Matrix("ffn_up", FeedForward, Width, random, 2f / MathF.Sqrt(Width)),
        Down = Matrix("ffn_down", Width, FeedForward, random, 1f / MathF.Sqrt(FeedForward)),
    };

    private static TensorData Matrix(string name, int rows, int columns, Random random, float scale)
    {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ((random.NextSingle() * 2) - 1) * 1.7f * scale;
        }

        return TensorData.FromFloats(name, rows, columns, values);
    }

    private static TensorData Ones(string name)
    {
        float[] ones = new float[Width];
        Array.Fill(ones, 1f);
        return TensorData.FromFloats(name, 1, Width, ones);
    }
}
