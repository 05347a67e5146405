using ServingGrid.Kernels;
using ServingGrid.Kernels.Ilgpu;
using Xunit;

namespace ServingGrid.Testing;

/// <summary>
/// The device that tests of CUDA run on: the first CUDA device, where there is one. <c>SERVINGGRID_GPU</c> names another one; it must then
/// be usable.
/// With <c>ilgpu-cpu</c> these tests run on ILGPU's CPU accelerator in CUDA's place, so that they themselves can be tried without a GPU.
/// </summary>
public static class GpuUnderTest
{
    /// <summary>Trait of the test classes that <c>tests/Benchmarks/Devices/cuda-check</c> takes along: <c>-trait Device=Cuda</c>.</summary>
    public const string Trait = "Device";

    /// <summary>Value of <see cref="Trait"/>.</summary>
    public const string Cuda = "Cuda";

    /// <summary>Environment variable that names the device.</summary>
    public const string Variable = "SERVINGGRID_GPU";

    private const string First = "cuda:0";

    private static readonly string? Named = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } id ? id : null;

    /// <summary>As <see cref="DeviceCatalog.Open"/> takes it.</summary>
    public static string Id => Named ?? First;

    /// <summary>The CPU accelerator stands in for a GPU: sizes must be small.</summary>
    public static bool IsStandIn => Id == IlgpuDevices.CpuAccelerator;

    /// <summary>
    /// First line of a test that needs the device. A device that was asked for by name is not skipped when it is absent: opening it fails.
    /// </summary>
    public static void SkipWhenAbsent() =>
        Assert.SkipWhen(
            Named is null && IlgpuDevices.List().All(device => device.Id != First),
            $"no CUDA device or driver here (set {Variable}={IlgpuDevices.CpuAccelerator} to try the test without one)");
}
