using System.Diagnostics;

namespace ServingGrid.Testing.Network;

/// <summary>One direction of an <see cref="ImpairedLink"/>: a thread that carries frames from one device to the other.</summary>
internal sealed class LinkDirection : IAsyncDisposable
{
    // How long the end waits at most for a thread that waits for a frame.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(50);

    // Read at a time, before those that are due are looked after again.
    private const int Batch = 64;

    private readonly TapDevice _from;
    private readonly TapDevice _to;
    private readonly Random _random;

    // Bounded by what the senders' TCP windows let out within a delay.
    private readonly Queue<(long Due, byte[] Bytes)> _underway = new();
    private readonly Lock _lock = new();
    private readonly Task _running;
    private volatile LinkConditions _conditions = LinkConditions.Good;
    private volatile bool _ending;
    private LinkCounters _counters;

    public LinkDirection(TapDevice from, TapDevice to, int seed)
    {
        (_from, _to, _random) = (from, to, new Random(seed));
        _running = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <exception cref="IOException">The direction has broken.</exception>
    public LinkCounters Counters
    {
        get
        {
            if (_running.IsFaulted)
            {
                _running.GetAwaiter().GetResult();
            }

            lock (_lock)
            {
                return _counters;
            }
        }
    }

    /// <summary>For frames that are sent from now on.</summary>
    public void Become(LinkConditions conditions) => _conditions = conditions;

    /// <summary>Ends the thread; frames underway are gone.</summary>
    public async ValueTask DisposeAsync()
    {
        _ending = true;
        await _running;
    }

    private void Run()
    {
        Span<byte> buffer = stackalloc byte[TapDevice.MaxFrameBytes];
        while (!_ending)
        {
            TimeSpan wait = _underway.TryPeek(out (long Due, byte[] Bytes) next) ? Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), next.Due) : LongestWait;
            if (_from.Wait(TimeSpan.FromTicks(Math.Clamp(wait.Ticks, 0, LongestWait.Ticks))))
            {
                for (int i = 0, length; i < Batch && (length = _from.Read(buffer)) > 0; i++)
                {
                    Take(buffer[..length]);
                }
            }

            while (_underway.TryPeek(out next) && next.Due <= Stopwatch.GetTimestamp())
            {
                _to.Write(_underway.Dequeue().Bytes);
                Count(new LinkCounters(1, 1, 0, 0));
            }
        }
    }

    private void Take(ReadOnlySpan<byte> frame)
    {
        LinkConditions now = _conditions;
        if (now.IsCut)
        {
            Count(new LinkCounters(0, 0, 0, 1));
        }
        else if (now.Loss > 0 && _random.NextDouble() < now.Loss)
        {
            Count(new LinkCounters(0, 0, 1, 0));
        }
        else if (now.Delay > TimeSpan.Zero || _underway.Count > 0)
        {
            // Behind the one before it, which may have been sent under a longer delay.
            _underway.Enqueue((Stopwatch.GetTimestamp() + (long)(now.Delay.TotalSeconds * Stopwatch.Frequency), frame.ToArray()));
        }
        else
        {
            _to.Write(frame);
            Count(new LinkCounters(1, 0, 0, 0));
        }
    }

    private void Count(LinkCounters more)
    {
        lock (_lock)
        {
            _counters += more;
        }
    }
}
