using System.Runtime.Intrinsics;
using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Elementwise;

namespace ServingGrid.Kernels.Cpu.Simd;

/// <summary>The kernels other than matrix products, with the vector width chosen at start.</summary>
/// <remarks>Stateless and thread-safe.</remarks>
internal abstract unsafe class LaneKernels
{
    /// <param name="isa">Vector width.</param>
    /// <param name="product">Attention's product; null for the one in C#.</param>
    public static LaneKernels Create(CpuIsa isa, BlockProduct? product) => isa switch
    {
        CpuIsa.Avx512 => new Of<Lanes512, Vector512<float>>(product),
        CpuIsa.Avx2 => new Of<Lanes256, Vector256<float>>(product),
        _ => new Of<Lanes128, Vector128<float>>(product),
    };

    /// <summary>Attention's matrix product.</summary>
    public abstract BlockProduct Product { get; }

    /// <inheritdoc cref="RmsNorm{L,V}.Apply"/>
    public abstract void RmsNorm(float* input, float* weight, float epsilon, int columns, float* output);

    /// <inheritdoc cref="ActivationQuantizer{L,V}.Row"/>
    public abstract void QuantizeRow(float* input, int columns, byte* tile, int t, int tileRows);

    /// <inheritdoc cref="VectorMath{L,V}.Scale"/>
    public abstract void Scale(float* input, float factor, int count, float* output);

    /// <inheritdoc cref="GatedActivation{L,V}.Apply"/>
    public abstract void GatedActivation(float* gate, float* up, int count, float* output);

    /// <inheritdoc cref="Q8Query.Quantize{L,V}"/>
    public abstract void QuantizeQuery(float* row, int headSize);

    /// <inheritdoc cref="KvAppend{L,V}.Write"/>
    public abstract void AppendKv(float* key, float* value, KvLayout layout, byte* block, int head, int slot);

    /// <inheritdoc cref="AttentionTile{L,V}"/>
    public abstract void Attend(in AttentionPiece piece);

    /// <inheritdoc cref="AttentionState{L,V}.Merge"/>
    public abstract void MergeState(float* total, float* piece, int floats);

    /// <inheritdoc cref="AttentionState{L,V}.Finish"/>
    public abstract void FinishState(float* state, int headSize, float* output);

    /// <inheritdoc cref="Elementwise.TopCandidates{L,V}.Select"/>
    public abstract void TopCandidates(float* values, int length, Span<int> ids, Span<float> best);

    private sealed class Of<L, V>(BlockProduct? product) : LaneKernels
        where L : ILanes<V>
        where V : unmanaged
    {
        public override BlockProduct Product { get; } = product ?? new BlockProduct<L, V>();

        public override void RmsNorm(float* input, float* weight, float epsilon, int columns, float* output) =>
            RmsNorm<L, V>.Apply(input, weight, epsilon, columns, output);

        public override void QuantizeRow(float* input, int columns, byte* tile, int t, int tileRows) =>
            ActivationQuantizer<L, V>.Row(input, columns, tile, t, tileRows);

        public override void Scale(float* input, float factor, int count, float* output) => VectorMath<L, V>.Scale(input, factor, count, output);

        public override void GatedActivation(float* gate, float* up, int count, float* output) => GatedActivation<L, V>.Apply(gate, up, count, output);

        public override void QuantizeQuery(float* row, int headSize) => Q8Query.Quantize<L, V>(row, headSize);

        public override void AppendKv(float* key, float* value, KvLayout layout, byte* block, int head, int slot) =>
            KvAppend<L, V>.Write(key, value, layout, block, head, slot);

        public override void Attend(in AttentionPiece piece)
        {
            if (piece.Layout.Type == KvType.Q8)
            {
                Q8Tile<L, V>.Compute(Product, piece);
            }
            else
            {
                AttentionTile<L, V>.Compute(Product, piece);
            }
        }

        public override void MergeState(float* total, float* piece, int floats) => AttentionState<L, V>.Merge(total, piece, floats);

        public override void FinishState(float* state, int headSize, float* output) => AttentionState<L, V>.Finish(state, headSize, output);

        public override void TopCandidates(float* values, int length, Span<int> ids, Span<float> best) =>
            TopCandidates<L, V>.Select(values, length, ids, best);
    }
}
