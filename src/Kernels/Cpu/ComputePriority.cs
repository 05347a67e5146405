namespace ServingGrid.Kernels.Cpu;

/// <summary>How compute threads compete with the other threads of the machine.</summary>
public enum ComputePriority
{
    /// <summary>Like any other.</summary>
    Normal,

    /// <summary>They run only where nothing else wants to: Linux's idle policy, sched(7).</summary>
    Low,
}
