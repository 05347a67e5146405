namespace ServingGrid.Testing.Network;

/// <summary>What a link does to the frames of either direction.</summary>
public sealed record LinkConditions
{
    /// <summary>Frames pass at once.</summary>
    public static readonly LinkConditions Good = new();

    /// <summary>A cable that was pulled: frames vanish, and nobody is told.</summary>
    public static readonly LinkConditions Cut = new() { IsCut = true };

    /// <summary>Each frame arrives so much later; none overtakes another. A round trip takes twice as long.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Probability that a frame vanishes: 0 … 1.</summary>
    public double Loss { get; init; }

    /// <summary>True when every frame vanishes.</summary>
    public bool IsCut { get; init; }
}

/// <summary>Frames of both directions so far.</summary>
/// <param name="Forwarded">Arrived, the delayed ones included.</param>
/// <param name="Delayed">Arrived after a delay.</param>
/// <param name="Lost">Dropped at random.</param>
/// <param name="CutOff">Dropped because the link was cut.</param>
public readonly record struct LinkCounters(long Forwarded, long Delayed, long Lost, long CutOff)
{
    public static LinkCounters operator +(LinkCounters a, LinkCounters b) =>
        new(a.Forwarded + b.Forwarded, a.Delayed + b.Delayed, a.Lost + b.Lost, a.CutOff + b.CutOff);

    /// <summary>What has happened between two readings.</summary>
    public static LinkCounters operator -(LinkCounters a, LinkCounters b) =>
        new(a.Forwarded - b.Forwarded, a.Delayed - b.Delayed, a.Lost - b.Lost, a.CutOff - b.CutOff);
}
