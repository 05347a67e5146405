using System.Text.Json.Serialization;

namespace ServingGrid.Testing;

/// <summary>One reference run of a model over several prompts (<c>logits/NAME.json</c>, <c>logits-exact/NAME.json</c>).</summary>
public sealed record GoldenLogits
{
    /// <summary>File name of the model, for <see cref="GoldenFolder.FindModel"/>.</summary>
    [JsonPropertyName("model")]
    public required string Model { get; init; }

    [JsonPropertyName("engine")]
    public required string Engine { get; init; }

    [JsonPropertyName("n_vocab")]
    public required int VocabularySize { get; init; }

    [JsonPropertyName("cases")]
    public required IReadOnlyList<GoldenCase> Cases { get; init; }
}

/// <summary>A prompt, what came after each of its tokens, and the greedy continuation.</summary>
public sealed record GoldenCase
{
    [JsonPropertyName("prompt")]
    public required string Prompt { get; init; }

    /// <summary>The prompt's ids, special tokens parsed and added.</summary>
    [JsonPropertyName("tokens")]
    public required int[] Tokens { get; init; }

    /// <summary>Logits after each token of the prompt.</summary>
    [JsonPropertyName("prompt_positions")]
    public required IReadOnlyList<GoldenPosition> PromptPositions { get; init; }

    /// <summary>Negative log-likelihood of the prompt's tokens after the first, summed.</summary>
    [JsonPropertyName("prompt_nll")]
    public required double PromptNll { get; init; }

    /// <summary>Greedy continuation.</summary>
    [JsonPropertyName("greedy")]
    public required int[] Greedy { get; init; }

    /// <summary>Logits after feeding each token of <see cref="Greedy"/>.</summary>
    [JsonPropertyName("greedy_positions")]
    public required IReadOnlyList<GoldenPosition> GreedyPositions { get; init; }

    /// <summary>The continuation ended with a token that ends an answer.</summary>
    [JsonPropertyName("hit_eog")]
    public required bool HitEndOfGeneration { get; init; }

    /// <summary>Bytes of the detokenised continuation, hexadecimal.</summary>
    [JsonPropertyName("text_hex")]
    public required string TextHex { get; init; }
}

/// <summary>A logit vector in brief.</summary>
public sealed record GoldenPosition
{
    /// <summary>The ten most likely tokens, best first.</summary>
    [JsonPropertyName("ids")]
    public required int[] Ids { get; init; }

    /// <summary>Their logits.</summary>
    [JsonPropertyName("logits")]
    public required float[] Logits { get; init; }

    /// <summary>Log-sum-exp of the whole vector.</summary>
    [JsonPropertyName("lse")]
    public required double LogSumExp { get; init; }

    /// <summary>Euclidean norm of the whole vector.</summary>
    [JsonPropertyName("l2")]
    public required double Norm { get; init; }
}
