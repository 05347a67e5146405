namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>What a device's compute threads are given when they begin. Worker 0 is the thread that calls the operations.</summary>
internal sealed class ThreadPlacement(IReadOnlyList<int> cores, ComputePriority priority)
{
    /// <summary>To be called by each worker.</summary>
    /// <returns>Null, or one sentence when the system has refused it.</returns>
    public string? Apply(int worker)
    {
        if (cores.Count > 0 && !ThreadScheduling.TryTie(0, cores[worker]))
        {
            return $"The system does not let a compute thread choose core {cores[worker]}: it runs on any.";
        }

        return priority == ComputePriority.Low && !ThreadScheduling.TryYieldToAll()
            ? "The system refuses the low priority of compute threads: they compete with all others."
            : null;
    }
}
