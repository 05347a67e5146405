namespace ServingGrid.Client;

/// <summary>Where a decode device's prompts were computed, and what the choice was based on.</summary>
[GenerateSerializer, Immutable]
public sealed record HandoverStatus
{
    /// <summary>"auto", "always" or "never".</summary>
    [Id(0)]
    public required string Mode { get; init; }

    /// <summary>Prompts given to another device.</summary>
    [Id(1)]
    public required long Remote { get; init; }

    /// <summary>Prompts computed here by choice.</summary>
    [Id(2)]
    public required long Local { get; init; }

    /// <summary>Prompts computed here because no other device could, or those tried failed.</summary>
    [Id(3)]
    public required long LocalFallback { get; init; }

    /// <summary>The last decision; null before the first.</summary>
    [Id(4)]
    public HandoverEstimate? Last { get; init; }

    /// <summary>Prefill devices that were measured or are in trouble.</summary>
    [Id(5)]
    public required IReadOnlyList<PrefillPeerStatus> Peers { get; init; }
}

/// <summary>The cost model's inputs and what it made of them. Rates are 0 while unknown.</summary>
[GenerateSerializer, Immutable]
public sealed record HandoverEstimate
{
    /// <summary>Prompt tokens that the decode device's cache lacks.</summary>
    [Id(0)]
    public required int LocalTokens { get; init; }

    /// <summary>Prompt tokens that it has yet to compute.</summary>
    [Id(1)]
    public required long LocalPendingTokens { get; init; }

    [Id(2)]
    public required double LocalTokensPerSecond { get; init; }

    /// <summary>Streams that wait while it computes a prompt.</summary>
    [Id(3)]
    public required int LocalRunning { get; init; }

    /// <summary>Prompt tokens that the prefill device's cache lacks.</summary>
    [Id(4)]
    public required int RemoteTokens { get; init; }

    [Id(5)]
    public required long RemotePendingTokens { get; init; }

    [Id(6)]
    public required double RemoteTokensPerSecond { get; init; }

    [Id(7)]
    public required int RemoteRunning { get; init; }

    /// <summary>Time to move all blocks that the decode device lacks.</summary>
    [Id(8)]
    public required double TransferSeconds { get; init; }

    /// <summary>Seconds of waiting, of all streams together, if the prompt is computed here.</summary>
    [Id(9)]
    public required double LocalSeconds { get; init; }

    /// <summary>The same if it is computed elsewhere.</summary>
    [Id(10)]
    public required double RemoteSeconds { get; init; }

    /// <summary>What of <see cref="LocalTokensPerSecond"/> a prompt gets in steps beside streams; 0 also when there are none.</summary>
    [Id(11)]
    public required double LocalTokensPerSecondBeside { get; init; }

    /// <summary>
    /// What of <see cref="RemoteTokensPerSecond"/> a prompt gets there in steps beside streams; 0 also when there are none.
    /// </summary>
    [Id(12)]
    public required double RemoteTokensPerSecondBeside { get; init; }
}

/// <summary>A prefill device as a decode silo has met it.</summary>
[GenerateSerializer, Immutable]
public sealed record PrefillPeerStatus
{
    [Id(0)]
    public required string Device { get; init; }

    /// <summary>Measured, or the configured speed before.</summary>
    [Id(1)]
    public required double TransferBytesPerSecond { get; init; }

    /// <summary>Failures since the last success.</summary>
    [Id(2)]
    public required int Failures { get; init; }

    /// <summary>Seconds until the circuit breaker lets it have a prompt again; 0 when it may have one.</summary>
    [Id(3)]
    public required double OutFor { get; init; }
}
