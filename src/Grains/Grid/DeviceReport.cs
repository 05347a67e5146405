using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// What a device is: the same for as long as its silo lives, but for <see cref="Numerics"/> when the device is opened anew.
/// </summary>
[GenerateSerializer, Immutable]
public sealed record DeviceIdentity
{
    /// <summary>Unique in the grid: the silo's name and the device's ("worker-1/cpu").</summary>
    [Id(0)]
    public required string Id { get; init; }

    [Id(1)]
    public required SiloAddress Silo { get; init; }

    /// <summary>The hardware and its kernels, for people.</summary>
    [Id(2)]
    public required string Hardware { get; init; }

    [Id(3)]
    public required ModelCard Model { get; init; }

    [Id(4)]
    public required KvType KvType { get; init; }

    /// <summary>Where it takes KV blocks ("host:port"); null when it does not.</summary>
    [Id(5)]
    public string? TransferEndpoint { get; init; }

    /// <summary>
    /// Class of its arithmetic: devices of one class compute the same bits. Blocks are exchanged, and answers continued, within a class
    /// only.
    /// </summary>
    [Id(6)]
    public required string Numerics { get; init; }
}

/// <summary>Whether a device takes requests.</summary>
[GenerateSerializer]
public enum DeviceState
{
    Serving,

    /// <summary>Finishes what it has.</summary>
    Draining,

    Failed,

    /// <summary>The grid has not accepted it yet, or no longer does: see <see cref="GridAdmission"/>.</summary>
    Joining,

    /// <summary>A step has failed: it serves again within a second.</summary>
    Recovering,
}

/// <summary>How busy a device is, at one moment.</summary>
[GenerateSerializer, Immutable]
public sealed record DeviceLoad
{
    [Id(0)]
    public required DeviceRole Role { get; init; }

    [Id(1)]
    public required DeviceState State { get; init; }

    [Id(2)]
    public required int Running { get; init; }

    [Id(3)]
    public required int Waiting { get; init; }

    /// <summary>Prompt tokens of running and waiting sequences that have yet to be computed.</summary>
    [Id(4)]
    public required long PendingPromptTokens { get; init; }

    [Id(5)]
    public required int TotalBlocks { get; init; }

    /// <summary>Blocks that no sequence holds, cached ones included.</summary>
    [Id(6)]
    public required int FreeBlocks { get; init; }

    /// <summary>Measured; 0 before the first.</summary>
    [Id(7)]
    public required double PrefillTokensPerSecond { get; init; }

    /// <summary>Measured seconds of a step that only decodes; 0 before the first.</summary>
    [Id(8)]
    public required double DecodeStepSeconds { get; init; }

    /// <summary>See <see cref="PromptBacklog"/>.</summary>
    [Id(9)]
    public required long PendingAheadOf128 { get; init; }

    /// <inheritdoc cref="PendingAheadOf128"/>
    [Id(10)]
    public required long PendingAheadOf512 { get; init; }

    /// <inheritdoc cref="PendingAheadOf128"/>
    [Id(11)]
    public required long PendingAheadOf2048 { get; init; }

    /// <summary>What of <see cref="PrefillTokensPerSecond"/> a prompt of its own gets beside what decodes now; 0 before the first, or when nothing does.</summary>
    [Id(12)]
    public double PrefillTokensPerSecondBeside { get; init; }

    /// <summary>Why the device does not serve, in one sentence; null while it does, and while it joins or drains.</summary>
    [Id(20)]
    public string? Trouble { get; init; }

    /// <summary><see cref="PendingPromptTokens"/> by what a new prompt of another device would find before it.</summary>
    public PromptBacklog Backlog => new(PendingAheadOf128, PendingAheadOf512, PendingAheadOf2048, PendingPromptTokens);
}

/// <summary>Changes of one device's prefix cache. Removals apply after additions.</summary>
[GenerateSerializer, Immutable]
public sealed record BlockChanges
{
    /// <summary>Id of the last event that the receiver must have seen, unless <see cref="Reset"/>.</summary>
    [Id(0)]
    public required long After { get; init; }

    /// <summary>Id of the last event in here.</summary>
    [Id(1)]
    public required long LastId { get; init; }

    /// <summary>Forget what was known: these are all that there is.</summary>
    [Id(2)]
    public required bool Reset { get; init; }

    /// <summary>Low 8 bytes of chained block hashes.</summary>
    [Id(3)]
    public required ulong[] Stored { get; init; }

    [Id(4)]
    public required ulong[] Removed { get; init; }
}

/// <summary>What a silo says of its device, every 200 ms.</summary>
[GenerateSerializer, Immutable]
public sealed record DeviceReport
{
    [Id(0)]
    public required DeviceIdentity Device { get; init; }

    [Id(1)]
    public required DeviceLoad Load { get; init; }

    /// <summary>Null when nothing changed.</summary>
    [Id(2)]
    public BlockChanges? Blocks { get; init; }

    /// <summary>
    /// How long ago the grid has accepted the device; null for one that is not a part of it yet. Another state of the grid may have done
    /// so.
    /// </summary>
    [Id(4)]
    public TimeSpan? AdmittedFor { get; init; }
}
