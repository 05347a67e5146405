namespace ServingGrid.Client;

/// <summary>The grid at one moment, for operators and their tools.</summary>
[GenerateSerializer, Immutable]
public sealed record GridStatus
{
    [Id(0)]
    public required DateTimeOffset At { get; init; }

    /// <summary>The models that at least one silo serves, by name.</summary>
    [Id(1)]
    public required IReadOnlyList<ModelCard> Models { get; init; }

    /// <summary>By model and id. A device that has not reported for some seconds is gone.</summary>
    [Id(2)]
    public required IReadOnlyList<DeviceStatus> Devices { get; init; }
}

/// <summary>A device as it last reported itself, a fraction of a second ago.</summary>
[GenerateSerializer, Immutable]
public sealed record DeviceStatus
{
    /// <summary>The silo's name and the device's ("worker-1/cpu").</summary>
    [Id(0)]
    public required string Id { get; init; }

    /// <summary>Address of its silo.</summary>
    [Id(1)]
    public required string Silo { get; init; }

    [Id(2)]
    public required string Model { get; init; }

    /// <summary>"prefill", "decode" or "both".</summary>
    [Id(3)]
    public required string Role { get; init; }

    /// <summary>"serving", "recovering", "draining", "failed" or "joining".</summary>
    [Id(4)]
    public required string State { get; init; }

    [Id(5)]
    public required string Hardware { get; init; }

    /// <summary>How keys and values are kept ("f16").</summary>
    [Id(6)]
    public required string KvType { get; init; }

    /// <summary>Where it takes KV blocks from other silos.</summary>
    [Id(7)]
    public string? TransferEndpoint { get; init; }

    /// <summary>Seconds since it reported what follows.</summary>
    [Id(8)]
    public required double ReportAge { get; init; }

    /// <summary>Sequences that hold blocks.</summary>
    [Id(9)]
    public required int Running { get; init; }

    [Id(10)]
    public required int Waiting { get; init; }

    /// <summary>Prompt tokens that it has yet to compute.</summary>
    [Id(11)]
    public required long PendingPromptTokens { get; init; }

    [Id(12)]
    public required int TotalBlocks { get; init; }

    /// <summary>Blocks that no sequence holds, cached ones included.</summary>
    [Id(13)]
    public required int FreeBlocks { get; init; }

    /// <summary>Share of the blocks that sequences hold: 0 … 1.</summary>
    [Id(14)]
    public required double KvUsage { get; init; }

    /// <summary>Measured; 0 before the first prompt.</summary>
    [Id(15)]
    public required double PrefillTokensPerSecond { get; init; }

    /// <summary>Measured; 0 before the first token.</summary>
    [Id(16)]
    public required double DecodeStepSeconds { get; init; }

    /// <summary>What the silo says now; null when it did not answer in time.</summary>
    [Id(17)]
    public SiloDetails? Details { get; init; }

    /// <summary>Where its prompts were computed, and why, as its silo says now; null when it did not answer in time.</summary>
    [Id(18)]
    public HandoverStatus? Handovers { get; init; }

    /// <summary>Class of its arithmetic: answers go on, and blocks travel, among devices of one class only.</summary>
    [Id(19)]
    public string? Numerics { get; init; }

    /// <summary>Why it does not serve, in one sentence; null while it does.</summary>
    [Id(20)]
    public string? Trouble { get; init; }
}

/// <summary>What a silo answers when it is asked.</summary>
[GenerateSerializer, Immutable]
public sealed record SiloDetails
{
    /// <summary>Blocks that the prefix cache can find.</summary>
    [Id(0)]
    public required int CachedBlocks { get; init; }

    /// <summary>Seconds since this silo's view of the grid was refreshed; null before the first time.</summary>
    [Id(1)]
    public double? ViewAge { get; init; }

    /// <summary>True while placement trusts the view; it falls back to power-of-two otherwise.</summary>
    [Id(2)]
    public required bool ViewIsFresh { get; init; }

    /// <summary>Devices in the view.</summary>
    [Id(3)]
    public required int ViewDevices { get; init; }

    /// <summary>Distinct cached blocks in the view, of all devices.</summary>
    [Id(4)]
    public required int ViewBlocks { get; init; }

    /// <summary>Requests in flight here.</summary>
    [Id(5)]
    public required int RequestCount { get; init; }

    /// <summary>The oldest of them, the oldest first.</summary>
    [Id(6)]
    public required IReadOnlyList<RequestStatus> Requests { get; init; }

    /// <summary>Decisions, fallbacks and failures since the process started, as on its <c>/metrics</c>.</summary>
    [Id(7)]
    public required IReadOnlyDictionary<string, long> Counters { get; init; }

    /// <summary>What has gone wrong in its engine, and how it came back.</summary>
    [Id(8)]
    public EngineTroubles? Engine { get; init; }
}

/// <summary>What has gone wrong in an engine since its device was opened. Counters only grow.</summary>
[GenerateSerializer, Immutable]
public sealed record EngineTroubles
{
    /// <summary>Steps that failed as a whole.</summary>
    [Id(0)]
    public required long FailedSteps { get; init; }

    /// <summary>Of these, failures that no sequence was to blame for and that nobody has noticed.</summary>
    [Id(1)]
    public required long TransientFailures { get; init; }

    /// <summary>Sequences that ended by their own fault.</summary>
    [Id(2)]
    public required long BlamedSequences { get; init; }

    /// <summary>How often it has given up all sequences and served again.</summary>
    [Id(3)]
    public required long Recoveries { get; init; }

    /// <summary>How long the last recovery took; 0 before the first.</summary>
    [Id(4)]
    public required double LastRecoverySeconds { get; init; }

    /// <summary>What went wrong last, in a step as a whole or with the device; null: nothing yet.</summary>
    [Id(5)]
    public string? LastFailure { get; init; }
}

/// <summary>A request in flight.</summary>
[GenerateSerializer, Immutable]
public sealed record RequestStatus
{
    [Id(0)]
    public required string Id { get; init; }

    /// <summary>0 for the first attempt; more when silos were lost under it.</summary>
    [Id(1)]
    public required int Attempt { get; init; }

    /// <summary>
    /// "starting" (waits for room), "prefill" (its prompt waits or is computed here), "remote-prefill" (… elsewhere), "decode", or
    /// "prefill-for-peer" (another silo will decode it).
    /// </summary>
    [Id(2)]
    public required string Stage { get; init; }

    /// <summary>Seconds since it came to this silo.</summary>
    [Id(3)]
    public required double Age { get; init; }

    [Id(4)]
    public required int PromptTokens { get; init; }

    /// <summary>New tokens of this attempt.</summary>
    [Id(5)]
    public required int GeneratedTokens { get; init; }

    /// <summary>The class of arithmetic in which the answer began, when it was let go on in any because no device of it was left.</summary>
    [Id(6)]
    public string? ChangedFrom { get; init; }
}

/// <summary>Puts the status of the grid together. One grain, with key <see cref="Key"/>.</summary>
public interface IGridStatusGrain : IGrainWithStringKey
{
    /// <summary>Key of the only one.</summary>
    const string Key = "status";

    /// <summary>At most half a second old, so that any number may ask.</summary>
    Task<GridStatus> Get();
}
