namespace ServingGrid.Engine;

/// <summary>One sequence to compute. Immutable; <see cref="Prompt"/> must not change after it was submitted.</summary>
public sealed record SequenceRequest
{
    /// <summary>For logs and errors; need not be unique.</summary>
    public required string Id { get; init; }

    /// <summary>Tokens to compute before the first new one, at least one; includes tokens that an earlier attempt generated.</summary>
    public required int[] Prompt { get; init; }

    /// <summary>
    /// How many trailing tokens of <see cref="Prompt"/> belong to the answer already. They count for token limits, penalties and stop
    /// strings, and keep the positions of the random numbers, so that a resumed answer goes on as the first would have.
    /// </summary>
    public int GeneratedInPrompt { get; init; }

    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>Most tokens of the whole answer; null: as many as the context holds.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>No stop of any kind before the answer has this many tokens.</summary>
    public int MinTokens { get; init; }

    /// <summary>End-of-generation tokens are ordinary tokens (load tests).</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>The answer ends at the first of these texts, in what follows its first <see cref="MinTokens"/> tokens; needs an engine with a tokenizer.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Separates the prefix caches of tenants; null shares the common one.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>Lower is sooner.</summary>
    public int Priority { get; init; }
}
