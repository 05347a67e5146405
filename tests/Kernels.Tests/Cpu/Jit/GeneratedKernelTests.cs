using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using CsCheck;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Cpu.Elementwise;
using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Cpu.Jit;

/// <summary>All families of product kernels compute the same bits, for any shape and any number of rows in a tile.</summary>
public sealed unsafe class GeneratedKernelTests
{
    public static TheoryData<GgmlType> AllTypes => [.. Enum.GetValues<GgmlType>()];

    [Theory]
    [MemberData(nameof(AllTypes))]
    public void Multiply_AnyTile_SameBitsInEveryFamilyAndForEachRowAlone(GgmlType type)
    {
        var families = new List<ProductKernel> { new KernelTable(CpuIsa.Portable, false).For(type) };
        if (CpuFeatures.Avx2)
        {
            families.Add(new KernelTable(CpuIsa.Avx2, false).For(type));
        }

        if (CpuFeatures.Avx512)
        {
            families.Add(new KernelTable(CpuIsa.Avx512, false).For(type));
            families.Add(new KernelTable(CpuIsa.Avx512, true).For(type));
        }

        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 40], Gen.Int[1, 5], Gen.Int[0, 1000]).Sample(
            (rows, outputs, blocks, seed) =>
            {
                int columns = type.BlockElements() == 1 ? 13 * blocks : Math.Max(type.BlockElements(), 32) * blocks;
                TensorData weights = Numbers.Matrix(type, outputs, columns, seed);
                float[] activations = Numbers.Normal(seed + 1, rows * columns, 3f);
                float[] expected = Multiply(families[0], weights, activations, 0, rows);
                foreach (ProductKernel kernel in families)
                {
                    Assert.Equal(expected, Multiply(kernel, weights, activations, 0, rows));
                    for (int r = 0; r < rows; r++)
                    {
                        float[] alone = Multiply(kernel, weights, activations, r, 1);
                        Assert.Equal(expected.AsSpan(r * alone.Length, alone.Length).ToArray(), alone);
                    }
                }
            },
            iter: 12,
            seed: "0000000000000",
            threads: 1);
    }

    [Fact]
    public void Create_Generated_LeavesNoPageBothWritableAndExecutable()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && CpuFeatures.CanGenerate, "no generated code on this processor and system");
        var before = WritableAndExecutable();
        var table = new KernelTable(CpuIsa.Avx512, true);
        Assert.Empty(WritableAndExecutable().Except(before));
        GC.KeepAlive(table);

        static HashSet<string> WritableAndExecutable() =>
            [.. File.ReadLines("/proc/self/maps").Where(line => line.Split(' ')[1].StartsWith("rwx", StringComparison.Ordinal)).Select(line => line.Split(' ')[0])];
    }

    private static float[] Multiply(ProductKernel kernel, TensorData weights, float[] activations, int firstRow, int rows)
    {
        int columns = weights.Columns;
        PanelStorage storage = PanelStorage.Of(weights.Type);
        int panels = (weights.Rows + PanelLayout.Rows - 1) / PanelLayout.Rows;
        long panelBytes = storage.PanelBytes(columns);
        int width = panels * PanelLayout.Rows;
        float[] output = new float[rows * width];
        output.AsSpan().Fill(float.NaN);
        byte* packed = (byte*)NativeMemory.AllocZeroed((nuint)(panels * panelBytes));
        byte* quantized = (byte*)NativeMemory.AllocZeroed((nuint)(ActivationLayout.Bytes(rows, columns) + 64));
        try
        {
            for (int panel = 0; panel < panels; panel++)
            {
                storage.Pack(weights, panel * PanelLayout.Rows, packed + panel * panelBytes);
            }

            fixed (float* input = &activations[firstRow * columns], result = output)
            {
                for (int r = 0; kernel.Quantized && r < rows; r++)
                {
                    ActivationQuantizer<Lanes128, Vector128<float>>.Row(input + r * columns, columns, quantized, r, rows);
                }

                var tile = new ActivationTile(kernel.Quantized ? quantized : (byte*)input, columns, rows);
                kernel.Multiply(packed, panels, columns, tile, new ProductOutput(result, width, false), 64);
                float[] once = [.. output];
                kernel.Multiply(packed, panels, columns, tile, new ProductOutput(result, width, true), 64);
                Assert.Equal(once.Select(x => x + x), output);
                return once;
            }
        }
        finally
        {
            NativeMemory.Free(packed);
            NativeMemory.Free(quantized);
        }
    }
}
