using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// Attention of one row over one head's keys and values of a block of <see cref="KvType.Q8"/>. Both products are sums of integers, exact in any order; so every
/// implementation gives the same bits.
/// </summary>
internal static unsafe class Q8Block<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <param name="block">Block of one layer.</param>
    /// <param name="geometry">Sizes.</param>
    /// <param name="kvHead">Head.</param>
    /// <param name="query">As <see cref="Q8Query"/>.</param>
    /// <param name="seen">Slots that the row sees, at least one.</param>
    /// <param name="scores">Working memory: [PaddedSlots].</param>
    /// <param name="weights">Working memory: [slots].</param>
    /// <param name="state">State of the row, see <see cref="AttentionGeometry"/>.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Compute(byte* block, in AttentionGeometry geometry, int kvHead, sbyte* query, int seen, float* scores, short* weights, float* state)
    {
        KvLayout layout = geometry.Layout;
        byte* keys = block + layout.KeysOf(kvHead);
        byte* values = block + layout.ValuesOf(kvHead);
        Scores(keys, layout, query, scores);
        Softmax<L, V>.Apply(scores, geometry.PaddedSlots, seen, state, geometry.StateFloats);
        float scale = Q8Numbers<L, V>.ToShorts(scores, (float*)(values + layout.HeadElements), seen, layout.BlockSize, weights);
        Values((sbyte*)values, layout, weights, (seen + 1) / KvLayout.ValuesTogether, scale, state + AttentionGeometry.StateOutput);
    }

    [MethodImpl(KernelCode.Optimized)]
    private static void Scores(byte* keys, KvLayout layout, sbyte* query, float* scores)
    {
        float* scales = (float*)(keys + layout.HeadElements);
        float queryScale = *(float*)(query + Q8Query.ScaleOffset(layout.HeadSize));
        int quads = layout.HeadSize / KvLayout.KeysTogether;
        int stride = layout.BlockSize * KvLayout.KeysTogether;
        V factor = L.Broadcast(queryScale);
        int slot = 0;
        for (; slot + L.Count <= layout.BlockSize; slot += L.Count)
        {
            V sum = L.Zero;
            for (int quad = 0; quad < quads; quad++)
            {
                sum = L.DotOffset(sum, L.Load(keys + (quad * stride) + (slot * KvLayout.KeysTogether)), L.Broadcast(((uint*)query)[quad]));
            }

            L.Store(scores + slot, L.Multiply(L.Multiply(L.ToFloat(sum), L.Load(scales + slot)), factor));
        }

        for (; slot < layout.BlockSize; slot++)
        {
            int sum = 0;
            for (int d = 0; d < layout.HeadSize; d++)
            {
                sum += query[d] * (keys[layout.KeyOffset(0, d, slot)] - 128);
            }

            scores[slot] = sum * scales[slot] * queryScale;
        }
    }

    [MethodImpl(KernelCode.Optimized)]
    private static void Values(sbyte* values, KvLayout layout, short* weights, int pairs, float scale, float* output)
    {
        int stride = layout.HeadSize * KvLayout.ValuesTogether;
        V factor = L.Broadcast(scale);
        int d = 0;
        for (; d + L.Count <= layout.HeadSize; d += L.Count)
        {
            V sum = L.Zero;
            for (int pair = 0; pair < pairs; pair++)
            {
                sum = L.DotPairs(sum, L.LoadSignedBytePairs(values + (pair * stride) + (d * KvLayout.ValuesTogether)), L.Broadcast(((uint*)weights)[pair]));
            }

            L.Store(output + d, L.MultiplyAdd(L.ToFloat(sum), factor, L.Load(output + d)));
        }

        for (; d < layout.HeadSize; d++)
        {
            int sum = 0;
            for (int slot = 0; slot < pairs * KvLayout.ValuesTogether; slot++)
            {
                sum += weights[slot] * values[layout.ValueOffset(0, slot, d) - layout.PartElements];
            }

            output[d] = MathF.FusedMultiplyAdd(sum, scale, output[d]);
        }
    }
}
