namespace ServingGrid.Grains.Workers;

/// <summary>
/// A worker that is being opened while the process does whatever else a start takes: reading a model keeps a disk and the device's threads busy, starting a
/// host keeps one thread busy. Owns the worker. Thread-safe.
/// </summary>
public sealed class WorkerOpening : IAsyncDisposable
{
    private readonly EarlyLog _log;

    private WorkerOpening(Task<Worker> worker, Task found, EarlyLog log) => (Worker, Found, _log) = (worker, found, log);

    /// <summary>
    /// Ends when the model file and the device are open, long before the weights are loaded; with the exception of <see cref="Worker"/> when one of them is not
    /// usable. Waiting for it before a silo is started spares the log what a silo says that is stopped in the middle of its start.
    /// </summary>
    public Task Found { get; }

    /// <summary>Ends when the weights are loaded; with a <see cref="StartupException"/> when an option, the file or the device is not usable.</summary>
    public Task<Worker> Worker { get; }

    /// <summary>Begins on threads of its own and returns at once.</summary>
    public static WorkerOpening Begin(WorkerOptions options) => Begin((found, log) => Workers.Worker.Open(options, loggers: log, found: found));

    /// <param name="open">
    /// Opens the worker. It calls its first argument on the way, when the model file and the device are open, and logs to its second, which
    /// is the host's log once there
    /// is a host.
    /// </param>
    public static WorkerOpening Begin(Func<Action, ILoggerFactory, Worker> open)
    {
        EarlyLog log = new();
        var found = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<Worker> worker = Task.Run(() => open(() => found.TrySetResult(), log));
        return new WorkerOpening(worker, Task.WhenAny(found.Task, worker).Unwrap(), log);
    }

    /// <summary>There is a host: what the worker has to say is said there from now on.</summary>
    internal void LogTo(ILoggerFactory host) => _log.HandTo(host);

    /// <summary>
    /// The worker once it is open; null when it cannot be opened, which is told to whoever waits for <see cref="Worker"/>, or when the host
    /// stops first.
    /// </summary>
    internal async Task<Worker?> OpenOrNull(CancellationToken stopping)
    {
        await ((Task)Worker).WaitAsync(stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Worker.IsCompletedSuccessfully && !stopping.IsCancellationRequested ? Worker.Result : null;
    }

    /// <summary>Waits until the worker is open, and closes it. A failure to open is that of whoever waits for <see cref="Worker"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        await ((Task)Worker).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (Worker.IsCompletedSuccessfully)
        {
            await Worker.Result.DisposeAsync();
        }
    }
}
