using System.Runtime.Intrinsics;
using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Jit;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>Chooses the kernel of each type of weights, once, for an instruction set.</summary>
internal sealed class KernelTable
{
    private readonly Dictionary<GgmlType, ProductKernel> _kernels = [];

    /// <param name="isa">Instruction set of the kernels in C#.</param>
    /// <param name="generate">Whether code may be generated where the processor has instructions that C# lacks.</param>
    public KernelTable(CpuIsa isa, bool generate)
    {
        bool floats = generate && isa == CpuIsa.Avx512 && CpuFeatures.CanGenerate;
        bool quantized = floats && CpuFeatures.Avx512Vnni;
        foreach (GgmlType type in Enum.GetValues<GgmlType>())
        {
            PanelLayout? layout = PanelLayout.Of(type);
            if (layout is null ? floats : quantized)
            {
                _kernels[type] = layout is null
                    ? new GeneratedKernel(false, (code, rows) => FloatEmitter.Emit(type, code, rows))
                    : new GeneratedKernel(true, (code, rows) => QuantizedEmitter.Emit(layout, code, rows));
                continue;
            }

            _kernels[type] = isa switch
            {
                CpuIsa.Avx512 => Create<Lanes512, Vector512<float>>(type),
                CpuIsa.Avx2 => Create<Lanes256, Vector256<float>>(type),
                _ => Create<Lanes128, Vector128<float>>(type),
            };
        }

        AttentionProduct = floats ? new GeneratedBlockProduct() : null;
        Name = isa.ToString().ToLowerInvariant() + (quantized ? "-vnni" : "");
    }

    /// <summary>Attention's product as generated code, or null.</summary>
    public BlockProduct? AttentionProduct { get; }

    /// <summary>For logs: "avx512", "avx512-vnni".</summary>
    public string Name { get; }

    public ProductKernel For(GgmlType type) =>
        _kernels.TryGetValue(type, out ProductKernel? kernel) ? kernel : throw new ArgumentException($"matrices of type {type} are not supported", nameof(type));

    private static ProductKernel Create<L, V>(GgmlType type)
        where L : ILanes<V>
        where V : unmanaged
        => type switch
        {
            GgmlType.F32 => new FloatKernel<SingleFormat, L, V>(),
            GgmlType.F16 => new FloatKernel<HalfFormat, L, V>(),
            GgmlType.BF16 => new FloatKernel<BFloatFormat, L, V>(),
            GgmlType.Q4_0 => new QuantizedKernel<Formats.Q4_0, L, V>(type),
            GgmlType.Q4_1 => new QuantizedKernel<Formats.Q4_1, L, V>(type),
            GgmlType.Q5_0 => new QuantizedKernel<Formats.Q5_0, L, V>(type),
            GgmlType.Q5_1 => new QuantizedKernel<Formats.Q5_1, L, V>(type),
            GgmlType.Q8_0 => new QuantizedKernel<Formats.Q8_0, L, V>(type),
            GgmlType.Q4_K => new QuantizedKernel<Formats.Q4_K, L, V>(type),
            GgmlType.Q5_K => new QuantizedKernel<Formats.Q5_K, L, V>(type),
            GgmlType.Q6_K => new QuantizedKernel<Formats.Q6_K, L, V>(type),
            _ => throw new ArgumentException($"matrices of type {type} are not supported", nameof(type)),
        };
}
