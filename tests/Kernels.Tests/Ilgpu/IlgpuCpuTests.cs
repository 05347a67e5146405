using ILGPU.Runtime;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>ILGPU's CPU accelerator as <c>--device ilgpu-cpu</c> opens it: warps of 32 and CUDA's way through the kernels.</summary>
public sealed class IlgpuCpuTests(SharedDevice shared) : IlgpuSuite(shared), IClassFixture<SharedDevice>
{
    protected override bool SmallShapesOnly => true;

    private protected override IlgpuDevice Open() => IlgpuDevices.Open(IlgpuDevices.CpuAccelerator);
}

/// <summary>
/// The CPU accelerator with warps of 4 and the launch shapes of a GPU where they differ in code: no shuffles, and the tiled
/// matrix product from two rows on.
/// </summary>
public sealed class IlgpuCpuPortableTests(SharedDevice shared) : IlgpuSuite(shared), IClassFixture<SharedDevice>
{
    protected override bool SmallShapesOnly => true;

    private protected override IlgpuDevice Open() =>
        IlgpuDevices.OpenCpu("ilgpu-cpu", warpSize: 4, KernelTuning.For(AcceleratorType.CPU) with { TileFromRows = 2, OutputsPerWarp = 8 });
}
