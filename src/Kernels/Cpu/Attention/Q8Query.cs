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
        int sum = 0;
        for (int d = 0; d < headSize; d++)
        {
            sum += bytes[d];
        }

        *(float*)(bytes + ScaleOffset(headSize)) = scale;
        *(int*)(bytes + NegatedSumOffset(headSize)) = -128 * sum;
    }
}
