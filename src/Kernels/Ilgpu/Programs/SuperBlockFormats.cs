using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

// Blocks of 256 elements with 6-bit (Q4_K, Q5_K) or 8-bit (Q6_K) scales for each 32 or 16 of them. Offsets count 16-bit words.
// One block is 32 units: the 32 lanes read its quants as one run of 128 bytes.

/// <summary>d, dmin, 12 bytes of scales and minima, 128 bytes of nibbles: 72 words.</summary>
internal readonly struct Q4_KFormat : IBlockFormat
{
    public static int RunDistance => 32;

    public static int FirstColumn(int unit) => (unit >> 3) * 64 + (unit & 7) * 4;

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 5) * 72;
        int u = unit & 31;
        uint quants = Blocks.AlignedWord(weights, block + 8 + u * 2);
        GroupScales scales = GroupScales.Load<TPlatform>(weights, block, u >> 3);
        return new Octet(
            Blocks.Scaled<TPlatform>(Blocks.Bytes(quants, 15), scales.FirstScale, -scales.FirstMinimum),
            Blocks.Scaled<TPlatform>(Blocks.Bytes(quants >> 4, 15), scales.SecondScale, -scales.SecondMinimum));
    }
}

/// <summary>As Q4_K with 32 bytes of fifth bits before the nibbles (bit g of byte i: element i of group g): 88 words.</summary>
internal readonly struct Q5_KFormat : IBlockFormat
{
    public static int RunDistance => 32;

    public static int FirstColumn(int unit) => (unit >> 3) * 64 + (unit & 7) * 4;

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 5) * 88;
        int u = unit & 31;
        int pair = u >> 3;
        uint fifths = Blocks.AlignedWord(weights, block + 8 + (u & 7) * 2) >> (2 * pair);
        uint quants = Blocks.AlignedWord(weights, block + 24 + u * 2);
        GroupScales scales = GroupScales.Load<TPlatform>(weights, block, pair);
        uint first = (quants & 0x0F0F0F0Fu) | ((fifths & 0x01010101u) << 4);
        uint second = ((quants >> 4) & 0x0F0F0F0Fu) | ((fifths & 0x02020202u) << 3);
        return new Octet(
            Blocks.Scaled<TPlatform>(Blocks.Bytes(first, 31), scales.FirstScale, -scales.FirstMinimum),
            Blocks.Scaled<TPlatform>(Blocks.Bytes(second, 31), scales.SecondScale, -scales.SecondMinimum));
    }
}

/// <summary>128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales, d: 105 words.</summary>
internal readonly struct Q6_KFormat : IBlockFormat
{
    public static int RunDistance => 64;

    // Unit u of a block: half u / 16, then byte run (u / 8) mod 2 of that half: columns 32·run + 4j and 64 more.
    public static int FirstColumn(int unit) => (unit >> 4) * 128 + (unit & 15) * 4;

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 5) * 105;
        int u = unit & 31;
        int half = u >> 4;
        int run = (u >> 3) & 1;
        uint low = Blocks.Word(weights, block + u * 2);
        uint high = Blocks.Word(weights, block + 64 + half * 16 + (u & 7) * 2) >> (2 * run);
        uint first = (low & 0x0F0F0F0Fu) | ((high & 0x03030303u) << 4);
        uint second = ((low >> 4) & 0x0F0F0F0Fu) | (high & 0x30303030u);
        float d = TPlatform.HalfToFloat(weights[block + 104]);
        int scale = half * 8 + run * 2 + ((u & 7) >> 2);
        float firstScale = d * SignedByte(weights, block + 96, scale);
        float secondScale = d * SignedByte(weights, block + 96, scale + 4);
        return new Octet(
            Centred(first) * Quad.Splat(firstScale),
            Centred(second) * Quad.Splat(secondScale));
    }

    private static Quad Centred(uint word) => new(
        (int)(word & 63) - 32,
        (int)((word >> 8) & 63) - 32,
        (int)((word >> 16) & 63) - 32,
        (int)((word >> 24) & 63) - 32);

    private static int SignedByte(ArrayView<ushort> weights, long start, int index)
    {
        int word = weights[start + (index >> 1)];
        return (word << (24 - 8 * (index & 1))) >> 24;
    }
}

/// <summary>Scale and minimum of the two groups of 32 whose nibbles share bytes: 6-bit integers in 12 bytes, times d and dmin.</summary>
internal readonly struct GroupScales(float firstScale, float firstMinimum, float secondScale, float secondMinimum)
{
    public readonly float FirstScale = firstScale;
    public readonly float FirstMinimum = firstMinimum;
    public readonly float SecondScale = secondScale;
    public readonly float SecondMinimum = secondMinimum;

    /// <param name="weights">The matrix.</param>
    /// <param name="block">First word of the block.</param>
    /// <param name="pair">Groups 2·pair and 2·pair + 1.</param>
    public static GroupScales Load<TPlatform>(ArrayView<ushort> weights, long block, int pair)
        where TPlatform : struct, IPlatform
    {
        // Bytes 0–3: scales of groups 0–3; 4–7: their minima; 8–11: low nibbles of scales and minima of groups 4–7, whose
        // upper two bits are on top of bytes 0–3 and 4–7.
        int shift = (pair & 1) * 16;
        uint a = Blocks.AlignedWord(weights, block + 2) >> shift;
        uint b = Blocks.AlignedWord(weights, block + 4) >> shift;
        uint c = Blocks.AlignedWord(weights, block + 6) >> shift;
        bool upper = pair >= 2;
        uint scales = upper ? (c & 0x0F0Fu) | ((a & 0xC0C0u) >> 2) : a & 0x3F3Fu;
        uint minima = upper ? ((c >> 4) & 0x0F0Fu) | ((b & 0xC0C0u) >> 2) : b & 0x3F3Fu;
        uint head = Blocks.AlignedWord(weights, block);
        float d = TPlatform.HalfToFloat((ushort)head);
        float dmin = TPlatform.HalfToFloat((ushort)(head >> 16));
        return new GroupScales(d * (int)(scales & 255), dmin * (int)(minima & 255), d * (int)((scales >> 8) & 255), dmin * (int)((minima >> 8) & 255));
    }
}
