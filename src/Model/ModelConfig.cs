namespace ServingGrid.Model;

/// <summary>Which elements of a head RoPE rotates together.</summary>
public enum RopeStyle
{
    /// <summary>Neighbours (2i, 2i+1): llama files, whose converter permutes the weights accordingly.</summary>
    Interleaved,

    /// <summary>Halves (i, i + dimensions/2): qwen2, qwen3 ("NeoX").</summary>
    Halves,
}

/// <summary>
/// Rotary position embedding with every scaling kind already folded in: the angle of pair <c>i</c> at position <c>p</c> is
/// <c>p · InverseFrequencies[i]</c>, and both sine and cosine are multiplied by <see cref="Magnitude"/> (1 except for YaRN).
/// </summary>
/// <param name="Style">Which elements form a pair.</param>
/// <param name="Dimensions">Leading elements of a head that are rotated (even, at most the head size).</param>
/// <param name="InverseFrequencies">One per pair: <c>Dimensions / 2</c> values.</param>
/// <param name="Magnitude">Factor on sine and cosine.</param>
public sealed record RopeParameters(RopeStyle Style, int Dimensions, IReadOnlyList<float> InverseFrequencies, float Magnitude = 1f);

/// <summary>The shape and the constants of a decoder-only transformer, read from GGUF metadata and validated there.</summary>
public sealed record ModelConfig
{
    /// <summary>GGUF <c>general.architecture</c>: "llama", "qwen2" or "qwen3".</summary>
    public required string Architecture { get; init; }

    /// <summary>GGUF <c>general.name</c>, or the file's name without extension.</summary>
    public required string Name { get; init; }

    public required int Layers { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads; divides <see cref="Heads"/>.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Elements of one head; <c>Heads · HeadSize</c> may differ from <see cref="Width"/> (qwen3).</summary>
    public required int HeadSize { get; init; }

    /// <summary>Width of the gated feed-forward network's hidden layer.</summary>
    public required int FeedForward { get; init; }

    public required int VocabularySize { get; init; }

    /// <summary>Longest context, in tokens, that the model was made for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Epsilon of every RMS norm.</summary>
    public required float NormEpsilon { get; init; }

    public required RopeParameters Rope { get; init; }

    /// <summary>Output matrix = embedding matrix.</summary>
    public required bool TiedEmbeddings { get; init; }

    /// <summary>Biases on the query, key and value projections (qwen2).</summary>
    public required bool AttentionBias { get; init; }

    /// <summary>RMS norm over each query and key head before RoPE (qwen3).</summary>
    public required bool QkNorm { get; init; }
}
