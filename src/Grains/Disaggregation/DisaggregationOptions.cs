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

    /// <summary>How long one of them may take; the reservation is held as long.</summary>
    public TimeSpan PrefillTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What a transfer is assumed to move per second.</summary>
    public double TransferBytesPerSecond { get; init; } = 500e6;
}
