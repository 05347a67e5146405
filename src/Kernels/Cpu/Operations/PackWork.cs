using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Threading;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>Repacks a matrix; workers take panels.</summary>
internal sealed class PackWork(CpuMatrix matrix, TensorData source) : ParallelWork
{
    private WorkCounter _counter;

    public override void Execute(int worker)
    {
        int panel;
        while ((panel = _counter.Next()) < matrix.Panels)
        {
            matrix.Pack(source, panel);
        }
    }
}
