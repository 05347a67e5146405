using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>What the operations of one device share: its threads, its vector kernels and each worker's working memory.</summary>
internal sealed class DeviceContext : IDisposable
{
    private readonly ScratchBuffer[] _scratch;

    public DeviceContext(WorkerPool pool, LaneKernels lanes)
    {
        (Pool, Lanes) = (pool, lanes);
        _scratch = new ScratchBuffer[pool.Workers];
        for (int i = 0; i < _scratch.Length; i++)
        {
            _scratch[i] = new ScratchBuffer();
        }
    }

    public WorkerPool Pool { get; }

    public LaneKernels Lanes { get; }

    public int Workers => Pool.Workers;

    /// <summary>The working memory of a worker; only that worker, inside a run.</summary>
    public ScratchBuffer Scratch(int worker) => _scratch[worker];

    public void Dispose()
    {
        Pool.Dispose();
        foreach (ScratchBuffer scratch in _scratch)
        {
            scratch.Dispose();
        }
    }
}
