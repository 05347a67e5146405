using ServingGrid.Kernels;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Engine.Tests.Gpu;

/// <summary>ILGPU's CPU accelerator.</summary>
public sealed class IlgpuCpuModelTests(ITestOutputHelper output) : GpuModelSuite(output)
{
    protected override bool SmallOnly => true;

    protected override Device Open() => DeviceCatalog.Open(IlgpuDevices.CpuAccelerator);
}
