using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace ServingGrid.Client.Connections;

/// <summary>
/// The connections of one port, of which there are never more than a limit. A connection works while something is done for it, and rests
/// otherwise. When the port is full, a new connection takes the place of one that rests: first of those that have never worked (half-open
/// ones, say), then of those that wait for their next request; of either the one that has rested longest. It is refused only when all the
/// others work. A few of the limit are kept for connections that come or are being closed, and the
/// port's listener accepts none before there is a descriptor for it (<see cref="Guard"/>): a crowd waits in the system's queue.
/// Thread-safe.
/// </summary>
public sealed partial class ConnectionDoor
{
    private const int MostComing = 64;

    // A crowd is told of, not each of those in it.
    private static readonly TimeSpan LogPeriod = TimeSpan.FromSeconds(30);

    private readonly string _port;
    private readonly int _limit;
    private readonly SemaphoreSlim _descriptors;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly LinkedList<ConnectionPlace> _strangers = new();
    private readonly LinkedList<ConnectionPlace> _resting = new();
    private int _count;
    private int _listeners;
    private long? _logged;

    /// <param name="port">What the port is called in metrics and in the log ("http").</param>
    /// <param name="limit">Most connections at a time, those that come and go included; at least 2. Each listener after the first has one
    /// more, for the connection that it waits for.</param>
    /// <param name="time">Clock of the log's rate.</param>
    /// <param name="log">Where a full port is told of.</param>
    public ConnectionDoor(string port, int limit, TimeProvider time, ILogger log)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 2);
        (_port, _time, _log) = (port, time, log);
        _limit = limit - Math.Clamp(limit / 8, 1, MostComing);
        _descriptors = new SemaphoreSlim(limit);
    }

    /// <summary>Connections inside now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    /// <summary>A listener of the port that accepts a connection when one of the limit is free.</summary>
    public IConnectionListener Guard(IConnectionListener listener)
    {
        // A listener holds a descriptor for the connection that it waits for. "localhost" has two: if each of them took one of the few that
        // are kept, the port would be full before anybody had to make room.
        if (Interlocked.Increment(ref _listeners) > 1)
        {
            _descriptors.Release();
        }

        return new LimitedListener(listener, _descriptors);
    }

    /// <summary>Lets a new connection in, as one that has never worked.</summary>
    /// <param name="end">Ends the connection when it has to make room: may be called from any thread, at most once, and must not
    /// block.</param>
    /// <returns>Its place, to be disposed of when the connection is gone; null: refuse it.</returns>
    public ConnectionPlace? TryEnter(Action end)
    {
        ConnectionPlace? leaving = null;
        ConnectionPlace? entered = null;
        lock (_lock)
        {
            if (_count == _limit)
            {
                leaving = _strangers.First?.Value ?? _resting.First?.Value;
                leaving?.Leave();
            }

            if (_count < _limit)
            {
                entered = new ConnectionPlace(this, end);
                _count++;
            }
        }

        leaving?.End();
        if (entered is null || leaving is not null)
        {
            ConnectionMetrics.Ended.Add(1, new("port", _port), new("reason", entered is null ? "refused" : "made_room"));
            TellOfCrowd(entered is null);
        }

        if (entered is not null)
        {
            ConnectionMetrics.Open.Add(1, new KeyValuePair<string, object?>("port", _port));
        }

        return entered;
    }

    /// <summary>Counts a connection that was ended for a reason of its own ("silent", "secret", "broken").</summary>
    public void CountEnded(string reason) => ConnectionMetrics.Ended.Add(1, new("port", _port), new("reason", reason));

    private void TellOfCrowd(bool refused)
    {
        lock (_lock)
        {
            if (_logged is { } last && _time.GetElapsedTime(last) < LogPeriod)
            {
                return;
            }

            _logged = _time.GetTimestamp();
        }

        if (refused)
        {
            LogRefused(_port, _limit);
        }
        else
        {
            LogMadeRoom(_port, _limit);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The {Port} port has {Limit} connections, as many as it takes, and all of them work: new ones are refused")]
    private partial void LogRefused(string port, int limit);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The {Port} port has {Limit} connections, as many as it takes: idle ones are ended for new ones")]
    private partial void LogMadeRoom(string port, int limit);

    /// <summary>A connection's place behind the door. Thread-safe.</summary>
    public sealed class ConnectionPlace : IDisposable
    {
        private readonly ConnectionDoor _door;
        private readonly Action _end;
        private readonly LinkedListNode<ConnectionPlace> _node;
        private int _work;
        private bool _left;

        internal ConnectionPlace(ConnectionDoor door, Action end)
        {
            (_door, _end) = (door, end);
            _node = door._strangers.AddLast(this);
        }

        /// <summary>True once it had to make room, or is gone.</summary>
        public bool HasLeft
        {
            get
            {
                lock (_door._lock)
                {
                    return _left;
                }
            }
        }

        /// <summary>Something is done for it from now on: it is not ended for others. Calls add up.</summary>
        public void BeginWork()
        {
            lock (_door._lock)
            {
                _work++;
                _node.List?.Remove(_node);
            }
        }

        /// <summary>As often as <see cref="BeginWork"/>; after the last it rests.</summary>
        public void EndWork()
        {
            lock (_door._lock)
            {
                if (--_work == 0 && !_left)
                {
                    _door._resting.AddLast(_node);
                }
            }
        }

        /// <summary>The connection is gone.</summary>
        public void Dispose()
        {
            lock (_door._lock)
            {
                Leave();
            }
        }

        internal void End() => _end();

        // Under the door's lock. Whoever has to make room has left from then on, although closing its socket takes a moment: the reserve of
        // files has room for it.
        internal void Leave()
        {
            if (!_left)
            {
                _left = true;
                _node.List?.Remove(_node);
                _door._count--;
                ConnectionMetrics.Open.Add(-1, new KeyValuePair<string, object?>("port", _door._port));
            }
        }
    }
}
