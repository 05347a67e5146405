using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Elementwise;

/// <summary>Writes activations in <see cref="ActivationLayout"/>: nearest int8, ties to even, scale = max |x| / 127.</summary>
/// <remarks>
/// A block with a number that is not finite has a scale that is not a number: so is then each product with it, whatever the type of the weights.
/// </remarks>
internal static unsafe class ActivationQuantizer<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>Quantises a row (a multiple of 32 columns) as row <paramref name="t"/> of a tile of <paramref name="tileRows"/> rows.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Row(float* input, int columns, byte* tile, int t, int tileRows)
    {
        for (int b = 0; b < columns / PanelLayout.BlockColumns; b++)
        {
            Block(input + b * PanelLayout.BlockColumns, tile + (long)b * tileRows * ActivationLayout.BlockBytes, t, tileRows);
        }
    }

    /// <summary>Quantises 32 values into the record of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Block(float* input, byte* record, int t, int tileRows)
    {
        V magnitude = L.Broadcast(0x7fffffffu);
        V largest = L.And(L.Load(input), magnitude);
        for (int i = L.Count; i < PanelLayout.BlockColumns; i += L.Count)
        {
            largest = L.MaxMagnitude(largest, L.And(L.Load(input + i), magnitude));
        }

        float max = L.MaxMagnitudeAcross(largest);
        float scale = max / 127f;
        float inverse = scale > 0 ? 127f / max : 0f;
        if (!float.IsFinite(max))
        {
            // The quotients are of no consequence.
            (scale, inverse) = (float.NaN, 0f);
        }
        else if (!float.IsFinite(inverse))
        {
            // So small that 127 / max overflows: as good as zero.
            (scale, inverse) = (0f, 0f);
        }

        // Adding 1.5·2^23 rounds to the nearest integer, whose two's complement is then the lowest byte.
        V magic = L.Broadcast(12582912f);
        V factor = L.Broadcast(inverse);
        byte* bytes = record + 32 * t;
        float halfSum = 0;
        V sum = L.Zero;
        for (int i = 0; i < PanelLayout.BlockColumns; i += L.Count)
        {
            if (i == PanelLayout.BlockColumns / 2)
            {
                halfSum = L.SumAcross(sum);
            }

            V shifted = L.MultiplyAdd(L.Load(input + i), factor, magic);
            L.StoreLowBytes(bytes + i, shifted);
            sum = L.Add(sum, L.Subtract(shifted, magic));
        }

        // Sums of integers below 2^24: exact in any order.
        float wholeSum = L.SumAcross(sum);
        *(float*)(record + ActivationLayout.Scale * tileRows + 4 * t) = scale;
        *(int*)(record + ActivationLayout.NegatedSum * tileRows + 4 * t) = -128 * (int)wholeSum;
        *(float*)(record + ActivationLayout.ScaledSum * tileRows + 4 * t) = scale * wholeSum;
        *(int*)(record + ActivationLayout.NegatedHalfSum * tileRows + 4 * t) = -128 * (int)halfSum;
    }
}
