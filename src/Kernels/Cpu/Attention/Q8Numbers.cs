using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Constants of <see cref="Q8Numbers{L,V}"/>.</summary>
internal static class Q8Numbers
{
    /// <summary>Largest integer of a probability: its products with the values of 256 slots still fit into 32 bits.</summary>
    public const float MaxProbability = 32767f;

    /// <summary>Its inverse.</summary>
    public const float ProbabilityUnit = 1f / MaxProbability;

    /// <summary>Below this, probabilities count as zero, so that their scale has an inverse.</summary>
    public const float LeastProbability = 1e-30f;
}

/// <summary>F32 to integers with a scale, for <see cref="KvType.Q8"/>: keys, values, queries and probabilities.</summary>
internal static unsafe class Q8Numbers<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    private const float MaxByte = 127f;

    // 1.5·2^23: adding it rounds to the nearest integer, whose two's complement is then in the lowest bits.
    private const float RoundingMagic = 12582912f;

    /// <summary>
    /// Nearest integers, ties to even, the largest magnitude at 127. <paramref name="destination"/> may be where the source is: what is written was read before.
    /// </summary>
    /// <returns>
    /// Their scale. Not a number for a source that is not finite: whoever multiplies by it gets what F32 would have given.
    /// </returns>
    [MethodImpl(KernelCode.Optimized)]
    public static float ToBytes(float* source, int count, sbyte* destination)
    {
        float largest = Largest(source, count, out bool isFinite);
        float inverse = MaxByte / largest;
        if (!isFinite || !float.IsFinite(inverse))
        {
            // All zero, or so small that the division overflows: as good as zero.
            new Span<sbyte>(destination, count).Clear();
            return isFinite ? 0 : float.NaN;
        }

        int d = 0;
        V magic = L.Broadcast(RoundingMagic);
        V factor = L.Broadcast(inverse);
        for (; d + L.Count <= count; d += L.Count)
        {
            L.StoreLowBytes((byte*)destination + d, L.MultiplyAdd(L.Load(source + d), factor, magic));
        }

        for (; d < count; d++)
        {
            destination[d] = (sbyte)(MathF.FusedMultiplyAdd(source[d], inverse, RoundingMagic) - RoundingMagic);
        }

        return largest / MaxByte;
    }

    /// <summary>The largest magnitude, if all of them are finite.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static float Largest(float* source, int count, out bool isFinite)
    {
        V magnitude = L.Broadcast(0x7fffffffu);
        V most = L.Zero;

        // 0 · x is 0, but for what is not finite.
        V nothing = L.Zero;
        int i = 0;
        for (; i + L.Count <= count; i += L.Count)
        {
            V x = L.And(L.Load(source + i), magnitude);
            most = L.Max(most, x);
            nothing = L.MultiplyAdd(x, L.Zero, nothing);
        }

        float largest = L.MaxAcross(most);
        float rest = L.SumAcross(nothing);
        for (; i < count; i++)
        {
            largest = MathF.Max(largest, MathF.Abs(source[i]));
            rest += source[i] * 0;
        }

        isFinite = rest == 0;
        return largest;
    }

    /// <summary>
    /// Probabilities times the scales of their slots as integers 0 … 32767, the largest of them at 32767: relative to their block, so that those of a block which weighs
    /// little among others are no coarser.
    /// </summary>
    /// <param name="probabilities">[slots], not negative.</param>
    /// <param name="scales">[slots].</param>
    /// <param name="seen">Slots that count; the others become 0.</param>
    /// <param name="slots">Slots.</param>
    /// <param name="destination">[slots].</param>
    /// <returns>The scale of the integers.</returns>
    [MethodImpl(KernelCode.Optimized)]
    public static float ToShorts(float* probabilities, float* scales, int seen, int slots, short* destination)
    {
        // As bits, since a scale that is not a number must win.
        uint largest = BitConverter.SingleToUInt32Bits(Q8Numbers.LeastProbability);
        for (int i = 0; i < seen; i++)
        {
            probabilities[i] *= scales[i];
            largest = Math.Max(largest, BitConverter.SingleToUInt32Bits(probabilities[i]));
        }

        float max = BitConverter.UInt32BitsToSingle(largest);
        float inverse = Q8Numbers.MaxProbability / max;
        for (int i = 0; i < seen; i++)
        {
            float rounded = (probabilities[i] * inverse) + RoundingMagic;
            destination[i] = (short)BitConverter.SingleToInt32Bits(rounded);
        }

        new Span<short>(destination + seen, slots - seen).Clear();
        return max * Q8Numbers.ProbabilityUnit;
    }
}
