namespace ServingGrid.Gateway.Http;

/// <summary>
/// How fast a sender must be: whoever falls behind a rate for longer than a patience is late. What came fast earlier counts for no more
/// than the patience, so that a burst does not pay for a long silence. For one thread at a time.
/// </summary>
/// <param name="BytesPerSecond">The least rate.</param>
/// <param name="Patience">For so long nothing may come.</param>
internal readonly record struct LeastPace(double BytesPerSecond, TimeSpan Patience)
{
    /// <summary>The time by which more must have come, after <paramref name="bytes"/> came at <paramref name="now"/>.</summary>
    /// <param name="due">The same before they came.</param>
    /// <param name="bytes">What came.</param>
    /// <param name="now">The time.</param>
    public TimeSpan Next(TimeSpan due, long bytes, TimeSpan now)
    {
        TimeSpan latest = now + Patience;
        TimeSpan paid = due + TimeSpan.FromSeconds(bytes / BytesPerSecond);
        return paid < latest ? paid : latest;
    }
}

/// <summary>
/// A body on its way in, and its share of <see cref="LargeRequests"/>' memory. One that is too slow is ended; one that is slow is ended
/// when another needs its room. What the reader calls is for one thread, the rest is thread-safe.
/// </summary>
internal sealed class Upload : IDisposable
{
    /// <summary>A sender that is slower than this is given up.</summary>
    private static readonly LeastPace Tolerable = new(4096, TimeSpan.FromSeconds(10));

    /// <summary>A sender that is slower than this makes room for others.</summary>
    private static readonly LeastPace Good = new(256 << 10, TimeSpan.FromSeconds(4));

    private readonly LargeRequests _large;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly CancellationTokenSource _end;
    private TimeSpan _tolerableUntil = Tolerable.Patience;
    private long _goodUntil = Good.Patience.Ticks;

    public Upload(LargeRequests large, TimeProvider time)
    {
        (_large, _time) = (large, time);
        _start = time.GetTimestamp();
        _end = new CancellationTokenSource(Tolerable.Patience, time);
    }

    /// <summary>True once it was too slow, or had to make room.</summary>
    public bool HasEnded => _end.IsCancellationRequested;

    /// <summary>True while it is slow enough to make room for others.</summary>
    public bool IsSlow => Now.Ticks > Volatile.Read(ref _goodUntil);

    /// <summary>Cancelled when it ends.</summary>
    public CancellationToken Ended => _end.Token;

    /// <summary>Bytes that it holds. Under the lock of <see cref="LargeRequests"/>.</summary>
    public long Held { get; set; }

    /// <summary>True once its memory is another's. Under the lock of <see cref="LargeRequests"/>.</summary>
    public bool HasMadeRoom { get; private set; }

    private TimeSpan Now => _time.GetElapsedTime(_start);

    /// <summary>More has come.</summary>
    public void Advance(long bytes)
    {
        TimeSpan now = Now;
        Volatile.Write(ref _goodUntil, Good.Next(new TimeSpan(_goodUntil), bytes, now).Ticks);
        _tolerableUntil = Tolerable.Next(_tolerableUntil, bytes, now);
        _end.CancelAfter(_tolerableUntil > now ? _tolerableUntil - now : TimeSpan.Zero);
    }

    /// <summary>Takes room for so many bytes in all; false when there is none, or it had to make room itself.</summary>
    public bool TryHold(long bytes) => _large.TryHold(this, bytes);

    /// <summary>All has come: from now on it makes no room, and time does not end it. False when it has ended before.</summary>
    public bool TryComplete()
    {
        _end.CancelAfter(Timeout.InfiniteTimeSpan);
        return _large.TryComplete(this);
    }

    /// <summary>Ends it for another. Under the lock of <see cref="LargeRequests"/>, where it is not disposed of meanwhile.</summary>
    public void MakeRoom()
    {
        HasMadeRoom = true;
        _ = _end.CancelAsync(); // its reader goes on elsewhere, not under the lock
    }

    /// <summary>Gives its memory back.</summary>
    public void Dispose()
    {
        _large.Release(this);
        _end.Dispose();
    }
}
