using System.Runtime.CompilerServices;

namespace ServingGrid.Kernels.Cpu.Simd;

/// <summary>F16 and F32, with integer operations alone: .NET has no vector instruction for it.</summary>
/// <remarks>
/// Moved to the exponent and mantissa bits of an F32, the bits of an F16 are its value times 2^-112, exactly, subnormals
/// included. The largest exponent, of infinities and of what is not a number, becomes that of an F32.
/// </remarks>
internal static unsafe class HalfFloats
{
    /// <summary>What <see cref="LoadScaled"/> divides by.</summary>
    public const float Scale = 5.192296858534828e33f; // 2^112

    private const uint Mask = 0x8fffe000;
    private const uint Magnitude = 0x7fffffff;
    private const uint Exponent = 0x7f800000;

    // An F16's largest exponent, moved.
    private const uint LargestExponent = 0x0f800000;

    // The largest F32 that rounds to 65504.
    private const float Largest = 65519.996f;

    /// <summary>The value times 2^-112.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LoadScaled<L, V>(ushort* source)
        where L : ILanes<V>
        where V : unmanaged
    {
        V moved = L.And(L.ShiftLeft(L.LoadShorts(source), 13), L.Broadcast(Mask));
        V special = L.GreaterOrEqual(L.And(moved, L.Broadcast(Magnitude)), L.Broadcast(LargestExponent));
        return L.Or(moved, L.And(special, L.Broadcast(Exponent)));
    }

    /// <summary>One number, the same way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadScaled(ushort half)
    {
        uint moved = (uint)((short)half << 13) & Mask;
        return BitConverter.UInt32BitsToSingle((moved & Magnitude) >= LargestExponent ? moved | Exponent : moved);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<L, V>(ushort* source)
        where L : ILanes<V>
        where V : unmanaged
        => L.Multiply(LoadScaled<L, V>(source), L.Broadcast(Scale));

    /// <summary>The nearest F16 of each, as <see cref="FromFloat"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<L, V>(ushort* destination, V value)
        where L : ILanes<V>
        where V : unmanaged
    {
        V sign = L.And(L.ShiftRight(value, 16), L.Broadcast(0x8000u));
        V magnitude = L.And(value, L.Broadcast(Magnitude));
        V isNumber = L.GreaterOrEqual(L.Broadcast(Largest), magnitude);
        V least = L.Broadcast(0x38800000u);
        V exponent = L.Max(L.And(magnitude, L.Broadcast(Exponent)), least);
        V anchor = L.AddInt(exponent, L.Broadcast(13u << 23));
        V mantissa = L.SubtractInt(L.Add(magnitude, anchor), anchor);
        V half = L.Or(sign, L.AddInt(L.ShiftRight(L.SubtractInt(exponent, least), 13), mantissa));
        L.StoreLowShorts(destination, L.Where(isNumber, half, L.Broadcast((uint)KvLayout.HalfNotANumber)));
    }

    /// <summary>Bits of the nearest F16, ties to even; <see cref="KvLayout.HalfNotANumber"/> for what that would not be a finite one of.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromFloat(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 16) & 0x8000;
        float magnitude = MathF.Abs(value);
        if (!(magnitude <= Largest))
        {
            return KvLayout.HalfNotANumber;
        }

        // Adding 2^(e+13), e the value's exponent (at least that of the smallest normal F16), rounds to 11 bits in hardware.
        uint exponent = Math.Max(BitConverter.SingleToUInt32Bits(magnitude) & Exponent, 0x38800000);
        float anchor = BitConverter.UInt32BitsToSingle(exponent + (13u << 23));
        uint mantissa = BitConverter.SingleToUInt32Bits(magnitude + anchor) - (exponent + (13u << 23));
        return (ushort)(sign | (((exponent - 0x38800000) >> 13) + mantissa));
    }
}
