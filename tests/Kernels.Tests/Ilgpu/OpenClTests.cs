using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.OpenCL;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>
/// The first OpenCL device here: a GPU, or PoCL, which runs OpenCL on the processor. PoCL 3.1 has no generic address space, which
/// ILGPU asks for but these kernels do without; the test says it had one.
/// </summary>
public sealed class OpenClTests(SharedDevice shared) : IlgpuSuite(shared), IClassFixture<SharedDevice>
{
    [Fact]
    public void Numerics_ThisDriver_ClassOfItsOwn()
    {
        Assert.Matches("^opencl-v\\d+-[0-9a-f]{8}$", Device.Info.Numerics);
        using IlgpuDevice other = IlgpuDevices.Open(IlgpuDevices.CpuAccelerator);
        Assert.NotEqual(other.Info.Numerics.Split('-')[^1], Device.Info.Numerics.Split('-')[^1]);
    }

    private protected override IlgpuDevice Open()
    {
        Context context = IlgpuDevices.Build(builder => builder.OpenCL(_ => true));
        CLDevice? hardware = context.Devices.OfType<CLDevice>().FirstOrDefault();
        if (hardware is null)
        {
            context.Dispose();
            Assert.Skip("no OpenCL device here (install pocl-opencl-icd to test on the processor)");
        }

        typeof(CLCapabilityContext).GetProperty(nameof(CLCapabilityContext.GenericAddressSpace))!.SetValue(hardware.Capabilities, true);
        return new IlgpuDevice("opencl:0", new IlgpuRuntime(context, hardware), KernelTuning.For(AcceleratorType.OpenCL));
    }
}
