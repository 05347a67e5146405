using ILGPU.Runtime;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests;

/// <summary>
/// Devices of one class compute the same bits; where bits differ, the classes do. CpuDeviceStepTests has the processor's families of
/// kernels.
/// </summary>
public sealed class NumericsClassTests
{
    private const int Columns = 1024;
    private const int Outputs = 32;
    private static readonly KernelTuning Small = KernelTuning.For(AcceleratorType.CPU);

    [Fact]
    public void Name_OtherBasisOrVersion_OtherName()
    {
        string[] names =
        [
            NumericsClass.Name("cpu", 1, "a", "b"),
            NumericsClass.Name("cpu", 2, "a", "b"),
            NumericsClass.Name("gpu", 1, "a", "b"),
            NumericsClass.Name("cpu", 1, "b", "a"),
            NumericsClass.Name("cpu", 1, "ab"),
            NumericsClass.Name("cpu", 1, "a"),
        ];

        Assert.Equal(names.Length, names.Distinct().Count());
        Assert.Equal(names[0], NumericsClass.Name("cpu", 1, "a", "b"));
        Assert.Matches("^cpu-v1-[0-9a-f]{8}$", names[0]);
    }

    /// <summary>Activations are quantised to eight bits on the processor, and not by the GPU's kernels.</summary>
    [Fact]
    public void Numerics_ProcessorAndGpuKernels_OtherClassAndOtherBits()
    {
        using CpuDevice cpu = CpuDevice.Create(new CpuDeviceOptions { Threads = 1 });
        using IlgpuDevice gpu = Open(32, Small);

        Assert.StartsWith("cpu-v", cpu.Info.Numerics);
        Assert.StartsWith("ilgpu-cpu-v", gpu.Info.Numerics);
        Assert.NotEqual(Run(cpu), Run(gpu));
    }

    /// <summary>
    /// How work is cut: vector or tiled products, one warp or several, with CUDA's way through the kernels or the portable one.
    /// </summary>
    [Fact]
    public void Numerics_GpuKernelsTunedOtherwise_SameClassAndBits()
    {
        using IlgpuDevice one = Open(32, Small);
        using IlgpuDevice tiled = Open(32, Small with { Warps = 2, OutputsPerWarp = 16, TileFromRows = 2, Threads = 64 });
        using IlgpuDevice portable = Open(16, Small);

        Assert.Equal([one.Info.Numerics, one.Info.Numerics], [tiled.Info.Numerics, portable.Info.Numerics]);
        float[] expected = Run(one);
        Assert.Equal(expected, Run(tiled));
        Assert.Equal(expected, Run(portable));
    }

    /// <summary>The one launch shape that decides the order of a sum.</summary>
    [Fact]
    public void Numerics_GpuNormsOfOtherThreads_OtherClassAndOtherBits()
    {
        using IlgpuDevice one = Open(32, Small);
        using IlgpuDevice other = Open(32, Small with { NormThreads = 64 });

        Assert.NotEqual(one.Info.Numerics, other.Info.Numerics);

        // One norm in eight comes out otherwise.
        Assert.NotEqual(Run(one, rows: 64), Run(other, rows: 64));
    }

    [Fact]
    public void Numerics_OpenedAgain_SameClass()
    {
        using CpuDevice one = CpuDevice.Create(new CpuDeviceOptions { Threads = 1 });
        using CpuDevice other = CpuDevice.Create(new CpuDeviceOptions { Threads = 2, GeneratedCode = false });

        Assert.Equal(one.Info.Numerics, other.Info.Numerics);
    }

    private static IlgpuDevice Open(int warp, KernelTuning tuning) => IlgpuDevices.OpenCpu(IlgpuDevices.CpuAccelerator, warp, tuning);

    /// <summary>A norm and a quantised product.</summary>
    private static float[] Run(Device device, int rows = 3)
    {
        using Matrix weights = device.LoadMatrix(Numbers.Matrix(GgmlType.Q8_0, Outputs, Columns, 1));
        using Vector norm = device.LoadVector(TensorData.FromFloats("norm", 1, Columns, Numbers.Normal(2, Columns)));
        using Tensor input = device.AllocateTensor(rows, Columns);
        using Tensor output = device.AllocateTensor(rows, Outputs);
        device.Write(input, 0, rows, Numbers.Normal(3, rows * Columns));
        var batch = new StepBatch(rows, 1);
        batch.AddSequence(new int[rows], 0, [0, 1], 32, 1);
        device.BeginStep(batch);
        device.NormedProjection(input, norm, 1e-5f, [new Projection(weights, null, output)]);
        float[] values = new float[rows * Outputs];
        device.Read(output, 0, rows, values);
        return values;
    }
}
