using ServingGrid.Client;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>Where one silo's prompts were computed, and what it decides by: a part of the grid's status page.</summary>
[GenerateSerializer, Immutable]
public sealed record HandoverSnapshot
{
    [Id(0)]
    public required DisaggregationMode Mode { get; init; }

    /// <summary>Prompts given to another device.</summary>
    [Id(1)]
    public required long Remote { get; init; }

    /// <summary>Prompts computed here by choice.</summary>
    [Id(2)]
    public required long Local { get; init; }

    /// <summary>Prompts computed here because no other device could, or those tried failed.</summary>
    [Id(3)]
    public required long LocalFallback { get; init; }

    /// <summary>What the last decision was based on; null before the first.</summary>
    [Id(4)]
    public HandoverInputs? LastInputs { get; init; }

    /// <summary>Prefill devices that were measured or are in trouble.</summary>
    [Id(5)]
    public required PrefillPeer[] Peers { get; init; }

    /// <summary>As the status page shows it.</summary>
    public HandoverStatus ToStatus() => new()
    {
        Mode = Mode.ToString().ToLowerInvariant(),
        Remote = Remote,
        Local = Local,
        LocalFallback = LocalFallback,
        Last = LastInputs is not { } inputs ? null : new HandoverEstimate
        {
            LocalTokens = inputs.LocalTokens,
            LocalPendingTokens = inputs.LocalPending,
            LocalTokensPerSecond = Math.Round(inputs.LocalRate, 1),
            LocalTokensPerSecondBeside = Math.Round(inputs.LocalRateBeside, 1),
            LocalRunning = inputs.LocalRunning,
            RemoteTokens = inputs.RemoteTokens,
            RemotePendingTokens = inputs.RemotePending,
            RemoteTokensPerSecond = Math.Round(inputs.RemoteRate, 1),
            RemoteTokensPerSecondBeside = Math.Round(inputs.RemoteRateBeside, 1),
            RemoteRunning = inputs.RemoteRunning,
            TransferSeconds = Math.Round(inputs.TransferSeconds, 6),
            LocalSeconds = Math.Round(HandoverCost.Local(inputs), 6),
            RemoteSeconds = Math.Round(HandoverCost.Remote(inputs), 6),
        },
        Peers =
        [
            .. Peers.Select(peer => new PrefillPeerStatus
            {
                Device = peer.Device,
                TransferBytesPerSecond = Math.Round(peer.TransferBytesPerSecond),
                Failures = peer.Failures,
                OutFor = Math.Round(peer.OutFor.TotalSeconds, 3),
            }),
        ],
    };
}

/// <summary>A prefill device as one decode silo has met it.</summary>
/// <param name="Device">Its id.</param>
/// <param name="TransferBytesPerSecond">Measured, or the configured speed before.</param>
/// <param name="Failures">Failures since the last success.</param>
/// <param name="OutFor">How much longer it gets no prompts; zero when it may get one.</param>
[GenerateSerializer, Immutable]
public sealed record PrefillPeer(
    [property: Id(0)] string Device, [property: Id(1)] double TransferBytesPerSecond, [property: Id(2)] int Failures, [property: Id(3)] TimeSpan OutFor);
