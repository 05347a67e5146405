namespace ServingGrid.Grains.Workers;

/// <summary>
/// The log of what begins before its host is there: keeps the first lines, and hands them and all that follow to the host's log once it is
/// known. Without
/// it, what a device says while it is opened, and what the engine on it says ever after, would be said to nobody. Thread-safe.
/// </summary>
internal sealed class EarlyLog : ILoggerFactory
{
    // What is opened says a line or two: beyond this something is wrong that the first lines name.
    private const int MostKept = 100;

    private readonly Lock _gate = new();
    private readonly List<Action<ILoggerFactory>> _kept = [];
    private volatile ILoggerFactory? _host;

    /// <summary>The host's log from now on.</summary>
    public void HandTo(ILoggerFactory host)
    {
        lock (_gate)
        {
            foreach (Action<ILoggerFactory> line in _kept)
            {
                line(host);
            }

            _kept.Clear();
            _host = host;
        }
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("The host's log has the providers.");

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class Logger(EarlyLog log, string category) : ILogger
    {
        private volatile ILogger? _logger;

        private ILogger? Host => _logger ??= log._host?.CreateLogger(category);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => Host?.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => Host?.IsEnabled(logLevel) ?? true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (Host is null)
            {
                lock (log._gate)
                {
                    if (log._host is null)
                    {
                        if (log._kept.Count < MostKept)
                        {
                            log._kept.Add(host => host.CreateLogger(category).Log(logLevel, eventId, state, exception, formatter));
                        }

                        return;
                    }
                }
            }

            Host!.Log(logLevel, eventId, state, exception, formatter);
        }
    }
}
