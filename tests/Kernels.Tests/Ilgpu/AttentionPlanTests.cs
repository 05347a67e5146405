using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Kernels.Ilgpu.Programs;

namespace ServingGrid.Kernels.Tests.Ilgpu;

public sealed class AttentionPlanTests
{
    /// <summary>Room for the partial results of three rows; many that would hardly gain come before the one that everyone waits for.</summary>
    [Fact]
    public void Prepare_LongRowBehindManyShort_IsSplitFirst()
    {
        const int Long = 20_000;
        const int Pieces = (Long / AttentionKernels.Piece) + 1;
        var shape = new AttentionShape(4, 2, 8);
        var hardware = new CPUDevice(4, 8, 1);
        using var runtime = new IlgpuRuntime(IlgpuDevices.Build(builder => builder.CPU(hardware)), hardware);
        using var plan = new AttentionPlan(runtime, KernelTuning.For(AcceleratorType.CPU), maxPartialFloats: 3 * shape.Heads * Pieces * (shape.HeadSize + 2));
        var batch = new StepBatch(16, 16);
        int[] positions = [300, 600, 300, 300, 900, 300, Long, 300, 10, 700];
        foreach (int position in positions)
        {
            batch.AddSequence([1], position, new int[(position / 32) + 1], 32, 1);
        }

        plan.Prepare(batch, shape);
        Assert.Equal(Pieces, plan.MaxPieces);
        Assert.Equal([6, 4, 9], Read(runtime, plan.PartialRows));

        // Each row is whole or in all of its pieces.
        int[][] items = [.. Read(runtime, plan.Items).Chunk(AttentionArguments.ItemInts)];
        for (int row = 0; row < positions.Length; row++)
        {
            int pieces = (positions[row] / AttentionKernels.Piece) + 1;
            int[][] own = [.. items.Where(item => item[0] == row)];
            Assert.Equal(pieces, own.Sum(item => item[3]));
            Assert.Equal(row is 6 or 4 or 9 ? pieces : 1, own.Length);
        }
    }

    private static int[] Read(IlgpuRuntime runtime, ArrayView<int> view)
    {
        int[] values = GC.AllocateArray<int>((int)view.Length, pinned: true);
        runtime.DownloadAsync(runtime.Compute, view, ref values[0]);
        runtime.Wait(runtime.Compute);
        return values;
    }
}
