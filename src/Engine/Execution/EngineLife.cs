namespace ServingGrid.Engine.Execution;

/// <summary>Whether an engine takes work: the one place that says so. Thread-safe.</summary>
/// <remarks>
/// <code>
/// Serving ⇄ Recovering           a step failed; the engine comes back
///    │          │
///    ▼          ▼
/// Draining ⇄ Recovering          asked for at any time; what was asked for stays so
///    │          │
///    ▼          ▼
/// Stopped    Failed              the end, whichever comes first
/// </code>
/// </remarks>
internal sealed class EngineLife
{
    private readonly Lock _gate = new();
    private bool _draining;
    private bool _recovering;
    private EngineHealth? _end;
    private string? _failure;

    public EngineHealth Health
    {
        get
        {
            lock (_gate)
            {
                return Now;
            }
        }
    }

    /// <summary>With <see cref="EngineHealth.Failed"/>: what happened.</summary>
    public string? Failure
    {
        get
        {
            lock (_gate)
            {
                return _failure;
            }
        }
    }

    private EngineHealth Now => _end ?? (_recovering ? EngineHealth.Recovering : _draining ? EngineHealth.Draining : EngineHealth.Serving);

    /// <summary>
    /// Posts a command if the engine takes work. One that was posted is before the end of a drain: whoever sees <see
    /// cref="EngineHealth.Draining"/> and then no command has seen all of them.
    /// </summary>
    public bool TryPost(CommandQueue commands, Action command)
    {
        lock (_gate)
        {
            return Now == EngineHealth.Serving && commands.TryPost(command);
        }
    }

    /// <summary>No new work from now on.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            _draining = true;
        }
    }

    public void BeginRecovery()
    {
        lock (_gate)
        {
            _recovering = true;
        }
    }

    public void EndRecovery()
    {
        lock (_gate)
        {
            _recovering = false;
        }
    }

    /// <summary>The engine has stopped, unless it has failed before.</summary>
    public void Stop() => End(EngineHealth.Stopped, null);

    /// <summary>The engine has failed for good, unless it has stopped before.</summary>
    public void Fail(string failure) => End(EngineHealth.Failed, failure);

    private void End(EngineHealth health, string? failure)
    {
        lock (_gate)
        {
            if (_end is null)
            {
                (_end, _failure) = (health, failure);
            }
        }
    }
}
