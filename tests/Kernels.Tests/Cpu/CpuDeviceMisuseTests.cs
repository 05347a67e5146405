using ServingGrid.Kernels.Cpu;

namespace ServingGrid.Kernels.Tests.Cpu;

/// <summary>Options that cannot be met are refused; misuse of the operations is in <see cref="Suite.CheckedDeviceSuite"/>.</summary>
public sealed class CpuDeviceMisuseTests
{
    [Theory]
    [InlineData(-1)]
    [InlineData(CpuDeviceOptions.MaxThreads + 1)]
    public void Create_ThreadsOutOfRange_Throws(int threads) =>
        Assert.Throws<ArgumentException>(() => CpuDevice.Create(new CpuDeviceOptions { Threads = threads }));

    [Fact]
    public void Create_UnknownInstructions_Throws() =>
        Assert.Throws<ArgumentException>(() => CpuDevice.Create(new CpuDeviceOptions { Isa = (CpuIsa)99 }));
}
