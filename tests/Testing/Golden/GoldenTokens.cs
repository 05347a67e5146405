using System.Text.Json.Serialization;

namespace ServingGrid.Testing;

/// <summary>Reference tokenisation of <c>tokens/strings.json</c> with one vocabulary (<c>tokens/NAME.json</c>).</summary>
public sealed record GoldenTokens
{
    [JsonPropertyName("n_vocab")]
    public required int VocabularySize { get; init; }

    [JsonPropertyName("bos")]
    public required int Bos { get; init; }

    [JsonPropertyName("eos")]
    public required int Eos { get; init; }

    [JsonPropertyName("add_bos")]
    public required bool AddBos { get; init; }

    [JsonPropertyName("add_eos")]
    public required bool AddEos { get; init; }

    [JsonPropertyName("cases")]
    public required IReadOnlyList<GoldenTokensCase> Cases { get; init; }
}

/// <summary>One string's ids.</summary>
public sealed record GoldenTokensCase
{
    /// <summary>The string's number: <see cref="GoldenString.Index"/>.</summary>
    [JsonPropertyName("i")]
    public required int Index { get; init; }

    /// <summary>No special tokens added or parsed.</summary>
    [JsonPropertyName("plain")]
    public required int[] Plain { get; init; }

    /// <summary>Special tokens added.</summary>
    [JsonPropertyName("special")]
    public required int[] Special { get; init; }

    /// <summary>Special tokens in the text parsed.</summary>
    [JsonPropertyName("parse")]
    public required int[] Parse { get; init; }

    /// <summary>Bytes of the detokenised <see cref="Plain"/>, hexadecimal.</summary>
    [JsonPropertyName("detok_hex")]
    public required string DetokenizedHex { get; init; }
}

/// <summary>A string of <c>tokens/strings.json</c>.</summary>
public sealed record GoldenString
{
    [JsonPropertyName("i")]
    public required int Index { get; init; }

    [JsonPropertyName("s")]
    public required string Text { get; init; }

    /// <summary>Its UTF-8 bytes, hexadecimal.</summary>
    [JsonPropertyName("hex")]
    public required string Hex { get; init; }
}
