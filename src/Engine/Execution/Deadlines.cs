namespace ServingGrid.Engine.Execution;

/// <summary>Points in time as timestamps of a <see cref="TimeProvider"/>, which never jump. Pure functions.</summary>
internal static class Deadlines
{
    public static long TimestampAfter(this TimeProvider time, TimeSpan span) =>
        time.GetTimestamp() + (long)Math.Ceiling(span.TotalSeconds * time.TimestampFrequency);

    /// <summary>How long until <paramref name="deadline"/>, rounded up to a millisecond; null when there is none.</summary>
    public static TimeSpan? Until(this TimeProvider time, long deadline) => deadline == long.MaxValue
        ? null
        : TimeSpan.FromMilliseconds(Math.Clamp(Math.Ceiling((deadline - time.GetTimestamp()) * 1000.0 / time.TimestampFrequency), 0, 3_600_000));
}
