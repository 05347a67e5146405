namespace ServingGrid.Testing;

/// <summary>The sizes of a generated model.</summary>
public sealed record RandomModelShape
{
    /// <summary>SmolLM2-135M.</summary>
    public static RandomModelShape SmolLM2 { get; } = new()
    {
        Layers = 30,
        Width = 576,
        Heads = 9,
        KvHeads = 3,
        HeadSize = 64,
        FeedForward = 1536,
        VocabularySize = 49_152,
        ContextLength = 8192,
        TiedEmbeddings = true,
    };

    /// <summary>TinyLlama-1.1B.</summary>
    public static RandomModelShape TinyLlama { get; } = new()
    {
        Layers = 22,
        Width = 2048,
        Heads = 32,
        KvHeads = 4,
        HeadSize = 64,
        FeedForward = 5632,
        VocabularySize = 32_000,
        ContextLength = 2048,
        TiedEmbeddings = false,
    };

    /// <summary>Llama 3 8B.</summary>
    public static RandomModelShape Llama8B { get; } = new()
    {
        Layers = 32,
        Width = 4096,
        Heads = 32,
        KvHeads = 8,
        HeadSize = 128,
        FeedForward = 14_336,
        VocabularySize = 128_256,
        ContextLength = 8192,
        TiedEmbeddings = false,
    };

    /// <summary>As small as every tensor type allows (rows of 256): for tests.</summary>
    public static RandomModelShape Small { get; } = new()
    {
        Layers = 2,
        Width = 256,
        Heads = 4,
        KvHeads = 2,
        HeadSize = 64,
        FeedForward = 512,
        VocabularySize = 2048,
        ContextLength = 1024,
        TiedEmbeddings = true,
    };

    public required int Layers { get; init; }

    public required int Width { get; init; }

    public required int Heads { get; init; }

    public required int KvHeads { get; init; }

    public required int HeadSize { get; init; }

    public required int FeedForward { get; init; }

    /// <summary>At least that of the vocabulary which the model borrows: the rest is padding tokens.</summary>
    public required int VocabularySize { get; init; }

    public required int ContextLength { get; init; }

    public required bool TiedEmbeddings { get; init; }
}
