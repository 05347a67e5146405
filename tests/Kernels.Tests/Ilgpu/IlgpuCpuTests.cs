using ILGPU.Runtime;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>
/// ILGPU's CPU accelerator with warps of 32, which takes CUDA's way through the kernels (shuffles, both forms of the matrix
/// product). The portable way is the OpenCL suite's.
/// </summary>
public sealed class IlgpuCpuTests(SharedDevice shared) : IlgpuSuite(shared), IClassFixture<SharedDevice>
{
    protected override bool SmallShapesOnly => true;

    private protected override IlgpuDevice Open() => OpenWarps();

    internal static IlgpuDevice OpenWarps() =>
        IlgpuDevices.OpenCpu(IlgpuDevices.CpuAccelerator, warpSize: 32, KernelTuning.For(AcceleratorType.CPU) with { TileFromRows = 3 });
}
