namespace ServingGrid.Client;

/// <summary>One sequence to generate. What travels from a client to the grid: tokens, not text.</summary>
[GenerateSerializer, Immutable]
public sealed record GenerateRequest
{
    /// <summary>Unique among live requests; the caller's <c>X-Request-Id</c> where there is one.</summary>
    [Id(0)]
    public required string RequestId { get; init; }

    /// <summary>Model name as <see cref="ModelCard.Name"/> spells it.</summary>
    [Id(1)]
    public required string Model { get; init; }

    /// <summary>Prompt tokens, at least one.</summary>
    [Id(2)]
    public required int[] Prompt { get; init; }

    [Id(3)]
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Most tokens to generate; null: as many as the context holds.</summary>
    [Id(4)]
    public int? MaxTokens { get; init; }

    /// <summary>No stop of any kind before this many tokens.</summary>
    [Id(5)]
    public int MinTokens { get; init; }

    /// <summary>Do not stop at the model's end-of-generation tokens (load tests).</summary>
    [Id(6)]
    public bool IgnoreEos { get; init; }

    /// <summary>The answer ends before the first of these texts, looked for in what follows its first <see cref="MinTokens"/> tokens.</summary>
    [Id(7)]
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Separates the prefix caches of tenants; null shares the common one.</summary>
    [Id(8)]
    public string? CacheSalt { get; init; }

    /// <summary>Lower is sooner; 0 by default.</summary>
    [Id(9)]
    public int Priority { get; init; }

    /// <summary>
    /// <see cref="ModelCard.Fingerprint"/> of the model whose tokens the prompt consists of, that is of the <see cref="ModelText"/> that
    /// made it: if the grid serves
    /// another file by then, the request ends in <see cref="GridError.ModelChanged"/>. Null: not known; <see cref="GridClient"/> takes the
    /// tokens as those of the file
    /// that is served when the request is sent, and all of the answer comes from that one.
    /// </summary>
    [Id(10)]
    public string? Fingerprint { get; init; }
}
