using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Online softmax of one row's scores in a block, in powers of two.</summary>
/// <remarks>
/// A row's maximum is what its probabilities are relative to. It follows the scores only when they exceed it by <see cref="AttentionGeometry.Headroom"/>: a
/// probability of 2^8 costs no accuracy in F32, and to rescale a row's sums costs as much as a block's probabilities.
/// </remarks>
internal static unsafe class Softmax<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>Scores to probabilities; updates maximum and sums, rescales the output.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Apply(float* scores, int slots, int seen, float* state, int stateFloats)
    {
        if (seen <= 0)
        {
            new Span<float>(scores, slots).Clear();
            return;
        }

        if (seen < slots)
        {
            // Only the last block of a row: 2^-∞ is made exactly 0 below.
            for (int i = 0; i < slots; i += L.Count)
            {
                L.Store(scores + i, L.Select(i, seen, L.Load(scores + i), L.Broadcast(float.NegativeInfinity)));
            }
        }

        V largest = L.Load(scores);
        for (int i = L.Count; i < slots; i += L.Count)
        {
            largest = L.Max(largest, L.Load(scores + i));
        }

        if (L.AnyGreater(largest, L.Broadcast(state[0] + AttentionGeometry.Headroom)))
        {
            Raise(L.MaxAcross(largest), state, stateFloats);
        }

        V shift = L.Broadcast(state[0]);
        float* sums = state + AttentionGeometry.StateSums;
        for (int i = 0; i < slots; i += L.Count)
        {
            V p = VectorMath<L, V>.Exp2(L.Subtract(L.Load(scores + i), shift));
            if (seen < slots)
            {
                p = L.Select(i, seen, p, L.Zero);
            }

            float* lane = sums + i % 16;
            L.Store(lane, L.Add(L.Load(lane), p));
            L.Store(scores + i, p);
        }
    }

    /// <summary>A new maximum: what was summed relative to the old one is scaled down.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Raise(float max, float* state, int stateFloats)
    {
        V factor = VectorMath<L, V>.Exp2(L.Broadcast(state[0] - max));
        for (int i = AttentionGeometry.StateSums; i < stateFloats; i += L.Count)
        {
            L.Store(state + i, L.Multiply(L.Load(state + i), factor));
        }

        state[0] = max;
    }
}
