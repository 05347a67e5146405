namespace ServingGrid.Grains.Requests;

/// <summary>
/// Notices that nobody asks for the next item of a stream any more: a client process that was killed cannot cancel, and its
/// blocks must not wait for Orleans' own clean-up.
/// </summary>
internal sealed class OrphanWatch : IDisposable
{
    private readonly TimeProvider _time;
    private readonly Action _orphaned;
    private readonly ITimer _timer;
    private long _waitingSince;

    /// <param name="time">Clock.</param>
    /// <param name="timeout">How long a client may take to ask for the next item.</param>
    /// <param name="orphaned">Called once, on any thread.</param>
    public OrphanWatch(TimeProvider time, TimeSpan timeout, Action orphaned)
    {
        _time = time;
        _orphaned = orphaned;
        _waitingSince = long.MaxValue;
        TimeSpan period = timeout / 5;
        _timer = time.CreateTimer(_ => Check(timeout), null, period, period);
    }

    /// <summary>An item is ready: the client is to ask for it.</summary>
    public void Enter() => Volatile.Write(ref _waitingSince, _time.GetTimestamp());

    /// <summary>The client has asked.</summary>
    public void Leave() => Volatile.Write(ref _waitingSince, long.MaxValue);

    public void Dispose() => _timer.Dispose();

    private void Check(TimeSpan timeout)
    {
        long since = Volatile.Read(ref _waitingSince);
        if (since != long.MaxValue && _time.GetElapsedTime(since) > timeout && Interlocked.CompareExchange(ref _waitingSince, long.MaxValue, since) == since)
        {
            _orphaned();
        }
    }
}
