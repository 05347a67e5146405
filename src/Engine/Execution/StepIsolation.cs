using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// The sequences of a step that failed as a whole: they go on one at a time, each with what was planned for it, until one fails alone or
/// all have passed. Engine's thread.
/// </summary>
internal sealed class StepIsolation(Scheduler scheduler)
{
    private readonly Queue<PlannedWork> _suspects = [];

    /// <summary>True from a failed step until the last of its sequences has passed, or one is found.</summary>
    public bool IsActive { get; private set; }

    /// <summary>Nothing of the plan was computed.</summary>
    public void Begin(StepPlan plan)
    {
        Clear();
        IsActive = true;
        foreach (PlannedWork work in plan.Work)
        {
            _suspects.Enqueue(work);
        }
    }

    /// <summary>Plans a step for the next one that still computes. False when none is left.</summary>
    public bool TryPlan(StepPlan plan)
    {
        while (_suspects.TryDequeue(out PlannedWork work))
        {
            // Cancelled meanwhile, perhaps.
            if (scheduler.IsRunning(work.Sequence))
            {
                plan.Clear();
                plan.AddAgain(work);
                return true;
            }
        }

        return false;
    }

    public void Clear()
    {
        _suspects.Clear();
        IsActive = false;
    }
}
