using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>The first CUDA device, where there is one.</summary>
public sealed class CudaTests(SharedDevice shared) : IlgpuSuite(shared), IClassFixture<SharedDevice>
{
    [Fact]
    public void Numerics_ThisHardware_NamesItsGeneration() => Assert.Matches(@"^cuda-sm\d{2,3}-v\d+-[0-9a-f]{8}$", Device.Info.Numerics);

    private protected override IlgpuDevice Open()
    {
        Assert.SkipWhen(IlgpuDevices.List().All(d => d.Kind != DeviceKind.Cuda), "no CUDA device or driver here");
        return IlgpuDevices.Open("cuda:0");
    }
}
