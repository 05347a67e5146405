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

/// <summary>How handovers are decided and bounded. See <see cref="Validate"/> for the ranges.</summary>
public sealed record DisaggregationOptions
{
    public DisaggregationMode Mode { get; init; } = DisaggregationMode.Auto;

    /// <summary>Prefill devices tried before the prompt is computed locally.</summary>
    public int Attempts { get; init; } = 2;

    /// <summary>How long one of them may take. At most <see cref="MaxPrefillTimeout"/>.</summary>
    public TimeSpan PrefillTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What a transfer from a device is taken to move per second, until one has been measured.</summary>
    public double TransferBytesPerSecond { get; init; } = 500e6;

    /// <summary>Time in which half of what was measured is forgotten: how soon a way that was slow is tried again.</summary>
    public TimeSpan TransferHalfLife { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A prompt at a device whose silo has not reported for so long is given up: the silo is frozen or cut off.</summary>
    public TimeSpan PrefillSilence { get; init; } = TimeSpan.FromSeconds(1.5);

    /// <summary>Consecutive failures that take a prefill device out of the choice; a single one does if it took longer than <see cref="StallTime"/>.</summary>
    public int BreakerFailures { get; init; } = 3;

    /// <summary>A failure that took so long has held up a request.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a device is out at first; doubles with each probe that fails.</summary>
    public TimeSpan BreakerTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Longest time that a device is out without a probe.</summary>
    public TimeSpan BreakerMaxTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The call to a prefill device waits no longer.</summary>
    public static readonly TimeSpan MaxPrefillTimeout = TimeSpan.FromMinutes(10);

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        Check(Enum.IsDefined(Mode), $"There is no disaggregation mode {Mode}: auto, always and never are.");
        Check(Attempts is >= 1 and <= 16, $"Prefill attempts must be 1 … 16, not {Attempts}.");
        Range("The prefill time-out", PrefillTimeout, TimeSpan.FromSeconds(1), MaxPrefillTimeout);
        Check(TransferBytesPerSecond is >= 1e3 and <= 1e13, $"The assumed speed of KV transfer must be 1e3 … 1e13 bytes per second, not {TransferBytesPerSecond}.");

        Range("The half-life of measured speeds", TransferHalfLife, TimeSpan.FromSeconds(0.1), TimeSpan.FromHours(1));

        // A silo reports every 200 ms: less would give up those that are merely busy.
        Range("The prefill silence", PrefillSilence, TimeSpan.FromSeconds(0.5), TimeSpan.FromMinutes(1));
        Check(BreakerFailures is >= 1 and <= 1000, $"Failures that open the breaker must be 1 … 1000, not {BreakerFailures}.");
        Range("The stall time", StallTime, TimeSpan.FromSeconds(0.1), TimeSpan.FromMinutes(1));
        Range("The breaker's time", BreakerTime, TimeSpan.FromSeconds(0.1), TimeSpan.FromHours(1));
        Range("The breaker's longest time", BreakerMaxTime, BreakerTime, TimeSpan.FromHours(1));

        static void Range(string what, TimeSpan value, TimeSpan from, TimeSpan to) =>
            Check(value >= from && value <= to, $"{what} must be {from.TotalSeconds:0.###} … {to.TotalSeconds:0.###} seconds, not {value.TotalSeconds:0.###}.");

        static void Check(bool holds, string sentence)
        {
            if (!holds)
            {
                throw new ArgumentException(sentence);
            }
        }
    }
}
