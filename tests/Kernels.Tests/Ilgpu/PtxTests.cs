using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Kernels.Ilgpu.Programs;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>Compiles every kernel to PTX, which needs no GPU, and looks at what came out.</summary>
public sealed partial class PtxTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("SM_80")]
    [InlineData("SM_90")]
    public void EveryKernel_CompiledToPtx_UsesNoLocalMemory(string name)
    {
        CudaArchitecture architecture = name == "SM_80" ? CudaArchitecture.SM_80 : CudaArchitecture.SM_90;
        using Context context = IlgpuDevices.Build(_ => { });
        using var backend = new PTXBackend(context, new CudaCapabilityContext(architecture), architecture, CudaInstructionSet.ISA_80, nvvmAPI: null);
        var local = new List<string>();
        output.WriteLine($"{name}: kernel, virtual registers declared (32 bit, 64 bit, float), static shared bytes, local bytes, vector loads and stores, fused multiply-adds");
        foreach (KernelSource source in new KernelCatalog(typeof(CudaPlatform)).All())
        {
            var kernel = (PTXCompiledKernel)backend.Compile(EntryPointDescription.FromExplicitlyGroupedKernel(source.Method), new KernelSpecialization(128, null));
            string ptx = kernel.PTXAssembly;
            int bytes = Sum(LocalDepot(), ptx);
            output.WriteLine($"{source.Name}{(source.Hot ? "" : " (not hot)")}: {Sum(Registers("b32"), ptx)}, {Sum(Registers("b64"), ptx)}, {Sum(Registers("f32"), ptx)}, {Sum(Shared(), ptx)}, {bytes}, {Vectors().Count(ptx)}, {Fused().Count(ptx)}");
            if (source.Hot && bytes > 0)
            {
                local.Add($"{source.Name}: {bytes} bytes");
            }

            Assert.DoesNotContain(".f64", ptx, StringComparison.Ordinal);
        }

        Assert.True(local.Count == 0, $"hot kernels use local memory: {string.Join("; ", local)}");
    }

    [Fact]
    public void MatrixAndAttentionKernels_CompiledToPtx_LoadVectorsAndNeverLeaveContractionToTheAssembler()
    {
        using Context context = IlgpuDevices.Build(_ => { });
        using var backend = new PTXBackend(context, new CudaCapabilityContext(CudaArchitecture.SM_90), CudaArchitecture.SM_90, CudaInstructionSet.ISA_80, nvvmAPI: null);
        foreach (KernelSource source in new KernelCatalog(typeof(CudaPlatform)).All().Where(k => k.Name.StartsWith("matrix", StringComparison.Ordinal) || k.Name.StartsWith("attention", StringComparison.Ordinal)))
        {
            string ptx = ((PTXCompiledKernel)backend.Compile(EntryPointDescription.FromExplicitlyGroupedKernel(source.Method), new KernelSpecialization(128, null))).PTXAssembly;
            Assert.Matches(Fused(), ptx);
            if (source.Name != "attention combine")
            {
                Assert.Matches(Vectors(), ptx);
            }

            AssertNoContraction(source.Name, ptx);
        }
    }

    /// <summary>
    /// What of a result is the hardware's own: the exponential, which a generation of GPUs may approximate otherwise than the next; so a
    /// numerics class names the generation. All else rounds as PTX says, and no driver's assembler has a choice: a product whose rounding
    /// is not stated meets no sum. So a class does not name the driver.
    /// </summary>
    [Fact]
    public void EveryKernel_CompiledToPtx_LeavesNothingButExponentialsToTheHardware()
    {
        using Context context = IlgpuDevices.Build(_ => { });
        var capabilities = new CudaCapabilityContext(CudaArchitecture.SM_90);
        using var backend = new PTXBackend(context, capabilities, CudaArchitecture.SM_90, CudaInstructionSet.ISA_80, nvvmAPI: null);
        HashSet<string> approximate = [];
        foreach (KernelSource source in new KernelCatalog(typeof(CudaPlatform)).All())
        {
            var entry = EntryPointDescription.FromExplicitlyGroupedKernel(source.Method);
            string ptx = ((PTXCompiledKernel)backend.Compile(entry, new KernelSpecialization(128, null))).PTXAssembly;
            approximate.UnionWith(Approximate().Matches(ptx).Select(match => match.Value));
            AssertNoContraction(source.Name, ptx);
        }

        Assert.Equal(["ex2.approx.f32"], approximate.Order());
    }

    /// <summary>A product whose rounding is not stated may only be scaled weights (which feed fused operations) or an exponent.</summary>
    private static void AssertNoContraction(string kernel, string ptx)
    {
        foreach (Match product in LooseProducts().Matches(ptx))
        {
            string result = Regex.Escape(product.Groups[1].Value);
            Match sum = Regex.Match(ptx, $@"(add|sub)\.f32\s+%f\d+, ({result}\b|%f\d+, {result}\b)");
            Assert.False(sum.Success, $"{kernel}: {product.Value} … {sum.Value}");
        }
    }

    private static int Sum(Regex pattern, string ptx) => pattern.Matches(ptx).Sum(m => int.Parse(m.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture));

    private static Regex Registers(string kind) => new($@"\.reg \.{kind}\s+%\w+<(\d+)>");

    [GeneratedRegex(@"\.local \.align \d+ \.b8 \w+\[(\d+)\]")]
    private static partial Regex LocalDepot();

    [GeneratedRegex(@"\.shared \.align \d+ \.b8 \w+\[(\d+)\]")]
    private static partial Regex Shared();

    [GeneratedRegex(@"\.v[24]\.")]
    private static partial Regex Vectors();

    [GeneratedRegex(@"\w+\.(approx|full)[\w.]*|\w+(\.\w+)*\.ftz[\w.]*")]
    private static partial Regex Approximate();

    [GeneratedRegex(@"fma\.rn\.f32")]
    private static partial Regex Fused();

    [GeneratedRegex(@"mul\.f32\s+(%f\d+),")]
    private static partial Regex LooseProducts();
}
