namespace ServingGrid.Gateway.Http;

/// <summary>
/// What large requests may take. Their bodies share a budget of memory, and one at a time is worked on (parsed, rendered, tokenized), so
/// that neither memory nor cores run out however many come at once; small ones are worked on at once and never wait for large ones. When
/// the budget is used up, bodies that come slowly make room for others: the oldest first. Afterwards the memory goes back to the system.
/// Thread-safe.
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
    private readonly TimeProvider _time;
    private readonly long _budget;

    // Those of which not all has come, and which hold memory: the oldest first.
    private readonly List<Upload> _coming = [];
    private long _held;
    private long _released;

    /// <param name="maxBodyBytes">Of one request.</param>
    /// <param name="time">Clock of the delay after which memory is given back, and of senders.</param>
    public LargeRequests(long maxBodyBytes, TimeProvider time)
    {
        _time = time;
        _budget = MostLargest * maxBodyBytes;
        _collect = time.CreateTimer(_ => Collect(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A body begins to come.</summary>
    public Upload Begin() => new(this, _time);

    /// <inheritdoc cref="Upload.TryHold"/>
    internal bool TryHold(Upload upload, long bytes)
    {
        lock (_lock)
        {
            if (upload.HasMadeRoom)
            {
                return false;
            }

            // Nobody is ended for room that does not suffice all the same.
            long missing = _held - upload.Held + bytes - _budget;
            if (missing > 0 && _coming.Where(other => other != upload && other.IsSlow).Sum(other => other.Held) < missing)
            {
                return false;
            }

            while (_held - upload.Held + bytes > _budget)
            {
                if (_coming.Find(other => other != upload && other.IsSlow) is not { } slow)
                {
                    return false;
                }

                GiveBack(slow);
                slow.MakeRoom();
            }

            if (upload.Held == 0)
            {
                _coming.Add(upload);
            }

            _held += bytes - upload.Held;
            upload.Held = bytes;
            return true;
        }
    }

    /// <inheritdoc cref="Upload.TryComplete"/>
    internal bool TryComplete(Upload upload)
    {
        lock (_lock)
        {
            _coming.Remove(upload);
            return !upload.HasEnded;
        }
    }

    /// <summary>Gives a body's memory back.</summary>
    internal void Release(Upload upload)
    {
        lock (_lock)
        {
            GiveBack(upload);
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
            return new LargeRequestTurn(null, _time);
        }

        await _turn.WaitAsync(cancellation);
        return new LargeRequestTurn(_turn, _time);
    }

    public void Dispose()
    {
        _collect.Dispose();
        _turn.Dispose();
    }

    private void GiveBack(Upload upload)
    {
        _coming.Remove(upload);
        _held -= upload.Held;
        _released += upload.Held;
        upload.Held = 0;
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

/// <summary>A request's turn to be worked on. For one handler.</summary>
/// <param name="large">Whose turn it is; null for a small request.</param>
/// <param name="time">Clock.</param>
internal sealed class LargeRequestTurn(SemaphoreSlim? large, TimeProvider time) : IDisposable
{
    // What the grid has at hand comes sooner, and a request that is done at once holds its memory for a shorter time.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    private bool _held = large is not null;

    /// <summary>Waits for what is not this request's own work. When that takes its time, others have their turn meanwhile.</summary>
    public async Task<T> AwaitAsync<T>(Task<T> answer, CancellationToken cancellation)
    {
        if (large is null || answer.IsCompleted)
        {
            return await answer;
        }

        using (var answered = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
        {
            await Task.WhenAny(answer, Task.Delay(Patience, time, answered.Token));
            await answered.CancelAsync();
        }

        if (answer.IsCompleted)
        {
            return await answer;
        }

        Dispose();
        T result = await answer;
        await large.WaitAsync(cancellation);
        _held = true;
        return result;
    }

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

    public void Dispose()
    {
        if (_held)
        {
            _held = false;
            large!.Release();
        }
    }
}
