namespace ServingGrid.Engine.Execution;

/// <summary>Lets copies of KV run on any thread until the memory is to go away. Thread-safe.</summary>
internal sealed class CopyGate
{
    private int _copies;
    private volatile bool _closed;

    /// <summary>False once closed. Pair each success with <see cref="Exit"/>.</summary>
    public bool TryEnter()
    {
        Interlocked.Increment(ref _copies);
        if (!_closed)
        {
            return true;
        }

        Exit();
        return false;
    }

    public void Exit() => Interlocked.Decrement(ref _copies);

    /// <summary>Refuses copies from now on and waits for those in progress, which are copies of memory and short.</summary>
    public void CloseAndWait()
    {
        _closed = true;
        Interlocked.MemoryBarrier();
        SpinWait.SpinUntil(() => Volatile.Read(ref _copies) == 0);
    }
}
