namespace ServingGrid.Engine.Execution;

/// <summary>How often an engine may fail and come back: see <see cref="EngineOptions.MaxFailures"/>. Not thread-safe.</summary>
internal sealed class FailureBudget(EngineOptions options, TimeProvider time)
{
    private readonly Queue<long> _failures = [];

    /// <summary>Takes note of a failure. False if it is one too many.</summary>
    public bool TrySpend()
    {
        while (_failures.TryPeek(out long oldest) && time.GetElapsedTime(oldest) >= options.FailureWindow)
        {
            _failures.Dequeue();
        }

        if (_failures.Count >= options.MaxFailures)
        {
            return false;
        }

        _failures.Enqueue(time.GetTimestamp());
        return true;
    }
}
