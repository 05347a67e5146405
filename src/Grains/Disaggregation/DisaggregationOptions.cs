namespace ServingGrid.Grains.Disaggregation;

/// <summary>When prompts are computed by another device than the one that decodes.</summary>
public enum DisaggregationMode
{
    /// <summary>When <see cref="HandoverCost"/> says that it pays.</summary>
    Auto,

    /// <summary>Whenever there is another prefill device.</summary>
    Always,

    Never,
}

/// <summary>How handovers are decided and bounded.</summary>
public sealed record DisaggregationOptions
{
    public DisaggregationMode Mode { get; init; } = DisaggregationMode.Auto;

    /// <summary>Prefill devices tried before the prompt is computed locally.</summary>
    public int Attempts { get; init; } = 2;

    /// <summary>How long one of them may take.</summary>
    public TimeSpan PrefillTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What a transfer from a device is taken to move per second, until one has been measured.</summary>
    public double TransferBytesPerSecond { get; init; } = 500e6;

    /// <summary>Time in which half of what was measured is forgotten: how soon a way that was slow is tried again.</summary>
    public TimeSpan TransferHalfLife { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A prefill device whose silo has not reported for so long is given up, and asked for nothing: it is frozen or cut off.</summary>
    public TimeSpan PrefillSilence { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Consecutive failures that take a prefill device out of the choice; a single one does if it took longer than <see cref="StallTime"/>.</summary>
    public int BreakerFailures { get; init; } = 3;

    /// <summary>A failure that took so long has held up a request.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a device is out at first; doubles with each probe that fails.</summary>
    public TimeSpan BreakerTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Longest time that a device is out without a probe.</summary>
    public TimeSpan BreakerMaxTime { get; init; } = TimeSpan.FromMinutes(1);
}
