using System.Diagnostics;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Runtime;
using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Kernels.Ilgpu.Programs;
using ServingGrid.Testing;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>The first CUDA device, where there is one, or what stands in for it.</summary>
[Trait(GpuUnderTest.Trait, GpuUnderTest.Cuda)]
public sealed class CudaTests(SharedDevice shared, ITestOutputHelper output) : IlgpuSuite(shared), IClassFixture<SharedDevice>
{
    protected override bool SmallShapesOnly => GpuUnderTest.IsStandIn;

    [Fact]
    public void Numerics_ThisHardware_NamesItsGeneration()
    {
        Assert.SkipWhen(GpuUnderTest.IsStandIn, "the class of the accelerator that stands in for CUDA is its own");
        Assert.Matches(@"^cuda-sm\d{2,3}-v\d+-[0-9a-f]{8}$", Device.Info.Numerics);
    }

    private protected override IlgpuDevice Open()
    {
        GpuUnderTest.SkipWhenAbsent();
        return GpuUnderTest.IsStandIn ? IlgpuCpuTests.OpenWarps() : IlgpuDevices.Open(GpuUnderTest.Id);
    }

    /// <summary>The driver's assembler takes every kernel that a model may need, not only those of the models at hand.</summary>
    [Fact]
    public void EveryKernel_OnTheDevice_Loads()
    {
        var device = (IlgpuDevice)Device;
        IlgpuRuntime runtime = device.Runtime;
        KernelSource[] sources = [.. runtime.Catalog.All()];
        (string Name, double Seconds)[] loads = [.. sources.Select(source => (source.Name, Load(runtime, source)))];
        IEnumerable<string> slowest = loads.OrderByDescending(load => load.Seconds).Take(5)
            .Select(load => FormattableString.Invariant($"{load.Name} {load.Seconds:F2} s"));
        output.WriteLine($"{sources.Length} kernels; slowest to load: {string.Join(", ", slowest)}");
    }

    private static double Load(IlgpuRuntime runtime, KernelSource source)
    {
        long start = Stopwatch.GetTimestamp();
        runtime.Accelerator.Bind();
        var entry = EntryPointDescription.FromExplicitlyGroupedKernel(source.Method);
        CompiledKernel compiled = runtime.Accelerator.GetBackend().Compile(entry, KernelSpecialization.Empty);
        using Kernel kernel = runtime.Accelerator.LoadKernel(compiled);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
