using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels.Tests;

public sealed class DeviceCatalogTests
{
    [Fact]
    public void List_AnyMachine_EndsWithTheProcessorAndTheCpuAccelerator()
    {
        IReadOnlyList<DeviceListing> devices = DeviceCatalog.List();
        Assert.Equal(["cpu", "ilgpu-cpu"], devices.TakeLast(2).Select(d => d.Id));
        Assert.All(devices.SkipLast(2), d => Assert.Matches("^(cuda|opencl):[0-9]+$", d.Id));
        Assert.Equal(devices.Count, DeviceCatalog.Print(devices).Split(Environment.NewLine).Length);
    }

    [Fact]
    public void Open_Cpu_IsTheSimdDevice()
    {
        using Device device = DeviceCatalog.Open("cpu", new CpuDeviceOptions { Threads = 1 });
        Assert.Equal("cpu", device.Info.Id);
        Assert.IsType<CpuDevice>(device);
    }

    [Fact]
    public void Open_IlgpuCpu_ReportsItsKernelsAndTheirLoadingTime()
    {
        using Device device = DeviceCatalog.Open("ilgpu-cpu");
        Assert.IsType<IlgpuDevice>(device);
        Assert.Equal("ilgpu-cpu", device.Info.Id);
        Assert.Matches(@"warps of 32, \d+ kernels in \d+\.\d\d s$", device.Info.Kernels);
        Assert.True(device.FreeMemoryBytes > 1 << 20);
    }

    [Fact]
    public void Open_Auto_TakesAGpuOrElseTheProcessor()
    {
        DeviceListing best = DeviceCatalog.List().First(d => d.Kind is DeviceKind.Cuda or DeviceKind.OpenClGpu or DeviceKind.Cpu);
        var warnings = new List<string>();
        using Device device = DeviceCatalog.Open("auto", new CpuDeviceOptions { Threads = 1 }, warnings.Add);
        Assert.True(device.Info.Id == best.Id || warnings.Count > 0, $"{device.Info.Id} was opened instead of {best.Id} without a word");
    }

    [Theory]
    [InlineData("cuda:99")]
    [InlineData("opencl:99")]
    [InlineData("cuda")]
    [InlineData("cuda:-1")]
    [InlineData("toaster:0")]
    [InlineData("")]
    public void Open_WhatIsNotThere_OneSentenceThatNamesTheUsableOnes(string id)
    {
        var e = Assert.Throws<DeviceException>(() => DeviceCatalog.Open(id));
        Assert.StartsWith($"device {id} cannot be used", e.Message, StringComparison.Ordinal);
        Assert.Contains("usable here: auto", e.Message, StringComparison.Ordinal);
        Assert.EndsWith("cpu, ilgpu-cpu", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }
}
