namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>
/// Something that all workers of a <see cref="WorkerPool"/> do together. One object serves many runs, so that a run allocates
/// nothing.
/// </summary>
internal abstract class ParallelWork
{
    /// <summary>Called once on each worker, at the same time.</summary>
    public abstract void Execute(int worker);
}
