using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Partial results of online softmax: how they begin, are combined and finished. See <see cref="AttentionGeometry"/>.</summary>
internal static unsafe class AttentionState<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>No score seen.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Clear(float* state, int floats)
    {
        new Span<float>(state, floats).Clear();
        state[0] = float.NegativeInfinity;
    }

    /// <summary>The states of all rows of a piece.</summary>
    public static void Clear(in AttentionPiece piece)
    {
        for (int r = 0; r < piece.Heads * piece.Rows; r++)
        {
            Clear(piece.States + (long)r * piece.Geometry.StateFloats, piece.Geometry.StateFloats);
        }
    }

    /// <summary>Adds the next piece. A piece without scores changes nothing; a first piece is taken as it is.</summary>
    /// <remarks>A piece whose scores are none of them numbers has no maximum either, but its sums are not zero: it leaves the total not a number.</remarks>
    [MethodImpl(KernelCode.Optimized)]
    public static void Merge(float* total, float* piece, int floats)
    {
        if (IsEmpty(piece))
        {
            return;
        }

        if (IsEmpty(total))
        {
            Buffer.MemoryCopy(piece, total, floats * sizeof(float), floats * sizeof(float));
            return;
        }

        float max = Math.Max(total[0], piece[0]);
        V totalFactor = VectorMath<L, V>.Exp2(L.Broadcast(total[0] - max));
        V pieceFactor = VectorMath<L, V>.Exp2(L.Broadcast(piece[0] - max));
        total[0] = max;
        for (int i = AttentionGeometry.StateSums; i < floats; i += L.Count)
        {
            V scaled = L.Multiply(L.Load(total + i), totalFactor);
            L.Store(total + i, L.MultiplyAdd(L.Load(piece + i), pieceFactor, scaled));
        }
    }

    /// <summary>output = o / Σ l.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Finish(float* state, int headSize, float* output) =>
        VectorMath<L, V>.Scale(state + AttentionGeometry.StateOutput, 1f / Sum(state), headSize, output);

    private static bool IsEmpty(float* state) => float.IsNegativeInfinity(state[0]) && Sum(state) == 0;

    private static float Sum(float* state)
    {
        float* sums = state + AttentionGeometry.StateSums;
        float sum = 0;
        for (int lane = 0; lane < 16; lane++)
        {
            sum += sums[lane];
        }

        return sum;
    }
}
