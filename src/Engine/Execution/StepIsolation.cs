using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// The sequences of a step that failed as a whole: they go on one at a time, each with what was planned for it, until one fails alone or
/// all have passed. Engine's thread.
/// </summary>
/// <remarks>
/// A failure of steps as such (their size, say) would go on like that for ever, at the speed of one sequence at a time: after <see
/// cref="MostVain"/> times in a row that nobody was found, it is the device's.
/// </remarks>
internal sealed class StepIsolation(Scheduler scheduler)
{
    /// <summary>How often in a row nobody may be found.</summary>
    public const int MostVain = 3;

    private readonly Queue<PlannedWork> _suspects = [];
    private int _vain;
    private bool _isTelling;

    /// <summary>True from a failed step until the last of its sequences has passed, or one is found.</summary>
    public bool IsActive { get; private set; }

    /// <summary>
    /// True when whole steps have failed too often without anybody to blame; until one of several sequences succeeds, also after a
    /// recovery.
    /// </summary>
    public bool IsVain => _vain >= MostVain;

    /// <summary>Nothing of the plan was computed.</summary>
    public void Begin(StepPlan plan)
    {
        Clear();
        IsActive = true;
        _isTelling = plan.Work.Count > 1;
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

            // It may have been the reason.
            _isTelling = false;
        }

        return false;
    }

    /// <summary>All have passed. Only where each of several was tried does that say something of steps as such.</summary>
    public void EndInVain()
    {
        Clear();
        _vain += _isTelling ? 1 : 0;
    }

    /// <summary>A step was computed that was not planned here.</summary>
    public void WholeStepSucceeded(int sequences) => _vain = sequences > 1 ? 0 : _vain;

    public void Clear()
    {
        _suspects.Clear();
        IsActive = false;
    }
}
