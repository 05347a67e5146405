namespace ServingGrid.Gateway.Http;

/// <summary>
/// What large requests may take. Their bodies share a budget of memory, and one at a time is worked on (parsed, rendered, tokenized), so
/// that neither memory nor cores run out however many come at once; small ones are worked on at once and never wait for large ones.
/// Afterwards the memory goes back to the system. Thread-safe.
/// </summary>
internal sealed class LargeRequests : IDisposable
{
    /// <summary>Bodies up to here are small: a prompt of some fifty thousand tokens.</summary>
    public const int SmallBytes = 256 << 10;

    private const int MostLargest = 16;

    // What a body was turned into is a few times its size, and garbage of that kind stays until a full collection, which an idle process
    // has no reason for.
    private const long CollectAfterBytes = 16 << 20;
    private static readonly TimeSpan CollectDelay = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _turn = new(1);
    private readonly Lock _lock = new();
    private readonly ITimer _collect;
    private readonly long _budget;
    private long _held;
    private long _released;

    /// <param name="maxBodyBytes">Of one request.</param>
    /// <param name="time">Clock of the delay after which memory is given back.</param>
    public LargeRequests(long maxBodyBytes, TimeProvider time)
    {
        _budget = MostLargest * maxBodyBytes;
        _collect = time.CreateTimer(_ => Collect(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Takes room for a body, or for more of it; false when there is none. Give it back with <see cref="Release"/>.</summary>
    public bool TryHold(long bytes)
    {
        lock (_lock)
        {
            if (_held + bytes > _budget)
            {
                return false;
            }

            _held += bytes;
            return true;
        }
    }

    /// <summary>Gives room back.</summary>
    public void Release(long bytes)
    {
        lock (_lock)
        {
            _held -= bytes;
            _released += bytes;
            if (_released >= CollectAfterBytes && _held == 0)
            {
                _collect.Change(CollectDelay, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Waits until a request of this size may be worked on; at once for a small one.</summary>
    /// <returns>To be disposed of when the work is done.</returns>
    public async ValueTask<LargeRequestTurn> EnterAsync(long bytes, CancellationToken cancellation)
    {
        if (bytes <= SmallBytes)
        {
            return new LargeRequestTurn(null);
        }

        await _turn.WaitAsync(cancellation);
        return new LargeRequestTurn(_turn);
    }

    public void Dispose()
    {
        _collect.Dispose();
        _turn.Dispose();
    }

    private void Collect()
    {
        lock (_lock)
        {
            if (_held > 0)
            {
                return; // its release asks again
            }

            _released = 0;
        }

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }
}

/// <summary>A request's turn to be worked on.</summary>
/// <param name="large">Whose turn it is; null for a small request.</param>
internal sealed class LargeRequestTurn(SemaphoreSlim? large) : IDisposable
{
    /// <summary>
    /// Does a part of the work: at once for a small request, on a thread of its own for a large one. Threads of the pool answer others
    /// meanwhile, and the arrays that libraries keep for the next work on the same thread go with it.
    /// </summary>
    public Task<T> RunAsync<T>(Func<T> work)
    {
        if (large is null)
        {
            return Task.FromResult(work());
        }

        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                result.SetResult(work());
            }
            catch (Exception failure)
            {
                result.SetException(failure);
            }
        })
        {
            IsBackground = true,
            Name = "large-request",
        };
        thread.Start();
        return result.Task;
    }

    public void Dispose() => large?.Release();
}
