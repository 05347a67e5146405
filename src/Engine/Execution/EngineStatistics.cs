namespace ServingGrid.Engine.Execution;

/// <summary>An engine's numbers: written by its thread, read by any.</summary>
internal sealed class EngineStatistics(TimeProvider time, EngineLife life)
{
    private const double Smoothing = 0.1;

    private readonly Lock _gate = new();
    private long _steps;
    private long _computed;
    private long _cached;
    private long _generated;
    private long _finished;
    private double _stepSeconds;
    private double _decodeStepSeconds;
    private double _prefillRate;
    private double _secondsBetweenEnds;
    private long _lastEnd;
    private long _failedSteps;
    private long _transientFailures;
    private long _blamed;
    private long _recoveries;
    private double _lastRecoverySeconds;
    private string? _lastFailure;
    private Gauges _gauges;

    public void CountStep(int promptTokens, int decodes, int chosen, double seconds)
    {
        lock (_gate)
        {
            _steps++;
            _computed += promptTokens;
            _generated += chosen;
            _stepSeconds += seconds;
            if (promptTokens == 0)
            {
                _decodeStepSeconds = Smooth(_decodeStepSeconds, seconds);
            }
            else if (decodes == 0 && seconds > 0)
            {
                _prefillRate = Smooth(_prefillRate, promptTokens / seconds);
            }
        }
    }

    public void CountCached(int tokens)
    {
        lock (_gate)
        {
            _cached += tokens;
        }
    }

    public void CountFinished()
    {
        lock (_gate)
        {
            long now = time.GetTimestamp();
            _secondsBetweenEnds = Smooth(_secondsBetweenEnds, time.GetElapsedTime(_finished == 0 ? now : _lastEnd, now).TotalSeconds);
            _lastEnd = now;
            _finished++;
        }
    }

    /// <summary>The latest thing that went wrong and that no single sequence is to blame for yet.</summary>
    public void NoteFailure(string message)
    {
        lock (_gate)
        {
            _lastFailure = message;
        }
    }

    public void CountFailedStep()
    {
        lock (_gate)
        {
            _failedSteps++;
        }
    }

    public void CountTransientFailure()
    {
        lock (_gate)
        {
            _transientFailures++;
        }
    }

    public void CountBlamed()
    {
        lock (_gate)
        {
            _blamed++;
        }
    }

    public void CountRecovery(double seconds)
    {
        lock (_gate)
        {
            _recoveries++;
            _lastRecoverySeconds = seconds;
        }
    }

    /// <summary>When a place in a full queue may be free: the recent time between two sequences' ends, in whole seconds.</summary>
    public TimeSpan ExpectedWait
    {
        get
        {
            lock (_gate)
            {
                return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(_secondsBetweenEnds), 1, 30));
            }
        }
    }

    public void Set(Gauges gauges)
    {
        lock (_gate)
        {
            _gauges = gauges;
        }
    }

    public EngineStatus Snapshot()
    {
        lock (_gate)
        {
            EngineHealth health = life.Health;
            return new EngineStatus
            {
                Health = health,
                Failure = health == EngineHealth.Recovering ? _lastFailure : life.Failure,
                FailedSteps = _failedSteps,
                TransientFailures = _transientFailures,
                BlamedSequences = _blamed,
                Recoveries = _recoveries,
                LastRecoverySeconds = _lastRecoverySeconds,
                LastFailure = _lastFailure,
                Running = _gauges.Running,
                Waiting = _gauges.Waiting,
                Reserved = _gauges.Reserved,
                Pinned = _gauges.Pinned,
                Backlog = _gauges.Backlog,
                TotalBlocks = _gauges.TotalBlocks,
                FreeBlocks = _gauges.FreeBlocks,
                CachedBlocks = _gauges.CachedBlocks,
                Preemptions = _gauges.Preemptions,
                Steps = _steps,
                ComputedPromptTokens = _computed,
                CachedPromptTokens = _cached,
                GeneratedTokens = _generated,
                Finished = _finished,
                StepSeconds = _stepSeconds,
                DecodeStepSeconds = _decodeStepSeconds,
                PrefillTokensPerSecond = _prefillRate,
                PrefillTokensPerSecondBeside = _gauges.PrefillTokensPerSecondBeside,
            };
        }
    }

    private static double Smooth(double average, double sample) => average == 0 ? sample : average + (Smoothing * (sample - average));

    /// <summary>Numbers that go up and down; see <see cref="EngineStatus"/>.</summary>
    internal readonly record struct Gauges(
        int Running, int Waiting, int Reserved, int Pinned, PromptBacklog Backlog, double PrefillTokensPerSecondBeside, int TotalBlocks, int FreeBlocks, int CachedBlocks, long Preemptions);
}
