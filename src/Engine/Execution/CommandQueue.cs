using System.Collections.Concurrent;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// What other threads want of the engine's thread, in order. <see cref="TryPost"/> from any thread; the rest from the engine's thread.
/// </summary>
internal sealed class CommandQueue : IDisposable
{
    private readonly Lock _gate = new();
    private readonly ConcurrentQueue<Action> _commands = new();
    private readonly AutoResetEvent _wake = new(initialState: false);
    private readonly ITimer _timer;
    private bool _closed;

    public CommandQueue(TimeProvider time) =>
        _timer = time.CreateTimer(static state => ((CommandQueue)state!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>False once the queue is closed: the command will not run.</summary>
    public bool TryPost(Action command)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return false;
            }

            _commands.Enqueue(command);
        }

        Wake();
        return true;
    }

    /// <summary>Ends the wait in progress, or the next one.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _wake.Set();
            }
        }
    }

    /// <summary>True when no command waits to be run.</summary>
    public bool IsEmpty => _commands.IsEmpty;

    public void RunAll()
    {
        while (_commands.TryDequeue(out Action? command))
        {
            command();
        }
    }

    /// <summary>Sleeps until there is a command, or until <paramref name="atMost"/> has passed (null: however long).</summary>
    public void Wait(TimeSpan? atMost)
    {
        _timer.Change(atMost ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _wake.WaitOne();
    }

    /// <summary>Refuses commands from now on; those that were accepted can still be run.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _timer.Dispose();
        _wake.Dispose();
    }
}
