using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// A query row for products with <see cref="KvType.Q8"/> keys, in the room of its floats: <c>[headSize]</c> signed bytes, their F32 scale, and −128 times their sum as I32,
/// where a sum of products with keys that are 128 too large begins.
/// </summary>
internal static unsafe class Q8Query
{
    /// <summary>Bytes from the row to its scale.</summary>
    public static int ScaleOffset(int headSize) => headSize;

    /// <summary>Bytes from the row to its negated sum.</summary>
    public static int NegatedSumOffset(int headSize) => headSize + sizeof(float);

    /// <summary>Replaces a row's floats.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Quantize<L, V>(float* row, int headSize)
        where L : ILanes<V>
        where V : unmanaged
    {
        sbyte* bytes = (sbyte*)row;
        float scale = Q8Numbers<L, V>.ToBytes(row, headSize, bytes);
        int sum = Sum<L, V>(bytes, headSize);
        *(float*)(bytes + ScaleOffset(headSize)) = scale;
        *(int*)(bytes + NegatedSumOffset(headSize)) = -128 * sum;
    }

    [MethodImpl(KernelCode.Optimized)]
    private static int Sum<L, V>(sbyte* bytes, int count)
        where L : ILanes<V>
        where V : unmanaged
    {
        V sums = L.Zero;
        int d = 0;
        for (; d + L.Count <= count; d += L.Count)
        {
            sums = L.Add(sums, L.LoadSignedBytes(bytes + d));
        }

        int sum = (int)L.SumAcross(sums);
        for (; d < count; d++)
        {
            sum += bytes[d];
        }

        return sum;
    }
}
