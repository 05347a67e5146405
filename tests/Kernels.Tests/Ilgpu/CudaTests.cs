using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>The first CUDA device, where there is one.</summary>
public sealed class CudaTests(SharedDevice shared) : IlgpuSuite(shared), IClassFixture<SharedDevice>
{
    private protected override IlgpuDevice Open()
    {
        Assert.SkipWhen(IlgpuDevices.List().All(d => d.Kind != DeviceKind.Cuda), "no CUDA device or driver here");
        return IlgpuDevices.Open("cuda:0");
    }
}
