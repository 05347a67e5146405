namespace ServingGrid.Kernels.Cpu.Simd;

/// <summary>
/// The vector operations that the kernels are written in, over a vector type <typeparamref name="V"/> of
/// <see cref="Count"/> lanes of 32 bits (floats, integers or four bytes each, as the operation says).
/// One kernel's source serves 128, 256 and 512 bits; every lane computes the same in each, so the widths agree to the bit.
/// </summary>
/// <typeparam name="V">Vector128, Vector256 or Vector512 of float.</typeparam>
internal unsafe interface ILanes<V>
    where V : unmanaged
{
    /// <summary>Lanes of 32 bits.</summary>
    static abstract int Count { get; }

    static abstract V Zero { get; }

    static abstract V Load(void* source);

    static abstract void Store(void* destination, V value);

    /// <summary>The same 32 bits in every lane.</summary>
    static abstract V Broadcast(uint bits);

    static abstract V Broadcast(float value);

    static abstract V Add(V a, V b);

    static abstract V Subtract(V a, V b);

    static abstract V Multiply(V a, V b);

    static abstract V Divide(V a, V b);

    /// <summary>The lowest byte of each lane.</summary>
    static abstract void StoreLowBytes(byte* destination, V value);

    /// <summary>The low halves of the lanes.</summary>
    static abstract void StoreLowShorts(ushort* destination, V value);

    /// <summary>a · b + c with one rounding.</summary>
    static abstract V MultiplyAdd(V a, V b, V c);

    /// <summary>The larger; where <paramref name="b"/> is not a number, not a number; where <paramref name="a"/> alone is not, unspecified.</summary>
    static abstract V Max(V a, V b);

    /// <summary>The larger of numbers whose sign bit is clear. What is not a number is larger than any other, infinity included, and so never lost.</summary>
    static abstract V MaxMagnitude(V a, V b);

    static abstract V And(V a, V b);

    static abstract V Or(V a, V b);

    static abstract V AddInt(V a, V b);

    static abstract V SubtractInt(V a, V b);

    static abstract V ShiftLeft(V a, int bits);

    /// <summary>Zeros shifted in, in lanes of 32 bits.</summary>
    static abstract V ShiftRight(V a, int bits);

    /// <summary>Signed integers to floats.</summary>
    static abstract V ToFloat(V integers);

    /// <summary><see cref="Count"/> unsigned bytes to floats.</summary>
    static abstract V LoadBytes(byte* source);

    /// <summary><see cref="Count"/> signed bytes to floats.</summary>
    static abstract V LoadSignedBytes(sbyte* source);

    /// <summary>Two signed bytes for each lane, as 16-bit numbers.</summary>
    static abstract V LoadSignedBytePairs(sbyte* source);

    /// <summary><see cref="Count"/> unsigned 16-bit numbers to the low halves of the lanes.</summary>
    static abstract V LoadUShorts(ushort* source);

    /// <summary><see cref="Count"/> signed 16-bit numbers, sign-extended.</summary>
    static abstract V LoadShorts(ushort* source);

    /// <summary>acc + Σ of the four products u·s in each lane; u unsigned bytes of at most 127, s signed bytes of −127 … 127.</summary>
    static abstract V Dot(V acc, V u, V s);

    /// <summary>acc + Σ of the four products (u − 128)·s in each lane; u any unsigned bytes, s signed bytes of −127 … 127.</summary>
    static abstract V DotOffset(V acc, V u, V s);

    /// <summary>acc + Σ of the two products of signed 16-bit numbers in each lane, which must fit into 32 bits.</summary>
    static abstract V DotPairs(V acc, V a, V b);

    /// <summary>To the nearest integer, ties to even.</summary>
    static abstract V Round(V a);

    /// <summary>a · 2^n for integers n (as floats) that keep the result a normal number.</summary>
    static abstract V ScaleByPower(V a, V n);

    /// <summary>True if a &gt; b in some lane.</summary>
    static abstract bool AnyGreater(V a, V b);

    /// <summary>All bits of the lanes where a ≥ b.</summary>
    static abstract V GreaterOrEqual(V a, V b);

    /// <summary><paramref name="a"/> where the mask's bits are set, elsewhere <paramref name="b"/>.</summary>
    static abstract V Where(V mask, V a, V b);

    /// <summary>Lanes where <paramref name="index"/> + lane &lt; <paramref name="count"/> of <paramref name="a"/>, elsewhere <paramref name="b"/>.</summary>
    static abstract V Select(int index, int count, V a, V b);

    /// <summary>The largest lane; unspecified where one is not a number.</summary>
    static abstract float MaxAcross(V a);

    /// <summary>The largest lane, as <see cref="MaxMagnitude"/>.</summary>
    static abstract float MaxMagnitudeAcross(V a);

    /// <summary>The sum of the lanes.</summary>
    static abstract float SumAcross(V a);
}
