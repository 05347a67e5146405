using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Cpu;

/// <summary>The suite on the CPU device, once for each family of kernels.</summary>
public abstract class CpuDeviceSuite : CheckedDeviceSuite
{
    protected abstract CpuDeviceOptions Options { get; }

    protected override Device CreateDevice()
    {
        Assert.SkipUnless(CpuFeatures.Supports(Options.Isa), $"this processor has no {Options.Isa}");
        return CpuDevice.Create(Options);
    }

    /// <summary>Quantised weights meet activations of 8 bits: half a step of 127 of the largest of 32, relative to the norm.</summary>
    protected override double ProductTolerance(GgmlType type) => type.BlockElements() == 1 ? 2e-6 : 0.02;
}

/// <summary>As a user gets it: the best that the processor has.</summary>
public sealed class CpuDeviceTests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 2 };
}

/// <summary>AVX-512 from C# alone.</summary>
public sealed class CpuDeviceAvx512Tests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 3, Isa = CpuIsa.Avx512, GeneratedCode = false };
}

/// <summary>AVX2.</summary>
public sealed class CpuDeviceAvx2Tests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 2, Isa = CpuIsa.Avx2, GeneratedCode = false };
}

/// <summary>Portable vectors of 128 bits, one thread.</summary>
public sealed class CpuDevicePortableTests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 1, Isa = CpuIsa.Portable, GeneratedCode = false };
}
