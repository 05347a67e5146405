using ServingGrid.Kernels;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Gpu;

/// <summary>The first CUDA device, where there is one, or what stands in for it.</summary>
[Trait(GpuUnderTest.Trait, GpuUnderTest.Cuda)]
public sealed class CudaModelTests(ITestOutputHelper output) : GpuModelSuite(output)
{
    protected override bool SmallOnly => GpuUnderTest.IsStandIn;

    protected override Device Open()
    {
        GpuUnderTest.SkipWhenAbsent();
        return DeviceCatalog.Open(GpuUnderTest.Id);
    }
}
