namespace ServingGrid.Client;

/// <summary>Why a sequence ended.</summary>
[GenerateSerializer]
public enum FinishReason
{
    /// <summary>An end-of-generation token or a stop string.</summary>
    Stop,

    /// <summary>The token limit or the context's end.</summary>
    Length,

    /// <summary>The caller cancelled.</summary>
    Cancelled,
}

/// <summary>A token that might have been chosen, with its log-probability.</summary>
[GenerateSerializer, Immutable]
public readonly record struct TokenLogProbability([property: Id(0)] int Token, [property: Id(1)] float LogProbability);

/// <summary>One generated token. End-of-generation tokens are not reported, they end the stream.</summary>
[GenerateSerializer, Immutable]
public sealed record GeneratedToken([property: Id(0)] int Token)
{
    /// <summary>Natural logarithm of its probability (before temperature), when asked for.</summary>
    [Id(1)]
    public float? LogProbability { get; init; }

    /// <summary>The most likely tokens at this position, most likely first, when asked for.</summary>
    [Id(2)]
    public IReadOnlyList<TokenLogProbability>? Top { get; init; }
}

/// <summary>What a request has used.</summary>
[GenerateSerializer, Immutable]
public sealed record GenerateUsage
{
    [Id(0)]
    public required int PromptTokens { get; init; }

    /// <summary>Prompt tokens whose KV was found in the prefix cache.</summary>
    [Id(1)]
    public required int CachedTokens { get; init; }

    [Id(2)]
    public required int CompletionTokens { get; init; }
}

/// <summary>
/// An item of a request's stream: where it is (<see cref="Placed"/>, once), new tokens, or a heartbeat (no tokens, no finish), or the end.
/// Exactly one item, the last, has a <see cref="Finish"/>; a failed request ends in an exception instead (<see cref="GridException"/>).
/// </summary>
[GenerateSerializer, Immutable]
public sealed record GenerateUpdate
{
    [Id(0)]
    public IReadOnlyList<GeneratedToken> Tokens { get; init; } = [];

    [Id(1)]
    public FinishReason? Finish { get; init; }

    /// <summary>With the last item; cached tokens may be known earlier.</summary>
    [Id(2)]
    public GenerateUsage? Usage { get; init; }

    /// <summary>With an attempt's first items: the id of the device that runs it.</summary>
    [Id(3)]
    public string? Device { get; init; }

    /// <summary>
    /// With an attempt's first answer: the class of arithmetic that the device computes in. Where several attempts make one stream, with
    /// the first item that has tokens of each.
    /// </summary>
    [Id(4)]
    public string? Numerics { get; init; }

    /// <summary>
    /// With an attempt's first item, which comes before its device has been given the request: the process that will run it. Such an item
    /// is no answer: the device may still refuse.
    /// </summary>
    [Id(5)]
    public SiloAddress? Placed { get; init; }
}
