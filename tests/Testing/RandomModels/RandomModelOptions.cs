using ServingGrid.Model.Gguf;

namespace ServingGrid.Testing;

/// <summary>What <see cref="RandomModel"/> writes.</summary>
public sealed record RandomModelOptions
{
    public required RandomModelShape Shape { get; init; }

    /// <summary>
    /// Of every matrix. One whose rows are not whole blocks of a K type takes the type of 32 elements that is next in size, as
    /// llama.cpp's quantiser does (Q4_K → Q5_0, Q5_K → Q5_1, Q6_K → Q8_0).
    /// </summary>
    public GgmlType GgmlType { get; init; } = GgmlType.Q8_0;

    public ulong Seed { get; init; } = 1;

    /// <summary>"llama", "qwen2" (with attention biases) or "qwen3" (with norms on query and key heads).</summary>
    public string Architecture { get; init; } = "llama";

    public float RopeBase { get; init; } = 10_000;

    /// <summary>Further metadata, written after the model's own (RoPE scaling, for example).</summary>
    public Action<GgufWriter>? Metadata { get; init; }

    /// <summary>The GGUF file whose tokenizer and template the model takes, so that it can be talked to.</summary>
    public string VocabularyFrom { get; init; } = ModelFiles.Bundled;

    /// <summary>
    /// The model never prefers a token that is not plain ASCII text, so that its greedy answers are text: servers refuse random bytes of their
    /// own models. The rows of such tokens are zeroes where logits are computed. For byte-level vocabularies.
    /// </summary>
    public bool SaysPlainText { get; init; }
}
