using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

// Blocks of 32 elements: one or two F16 numbers, fifth bits if any, then the quants. Offsets below count 16-bit words.
// In the types of four and five bits, byte j holds element j (low nibble) and element j + 16 (high nibble).

/// <summary>d, 32 signed bytes: 17 words.</summary>
internal readonly struct Q8_0Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 2) * 17;
        long quants = block + 1 + (unit & 3) * 2;
        Quad scale = Quad.Splat(TPlatform.HalfToFloat(weights[block]));
        return new Octet(Signed(Blocks.Word(weights, quants)) * scale, Signed(Blocks.Word(weights, quants + 8)) * scale);
    }

    private static Quad Signed(uint word) => new((int)(word << 24) >> 24, (int)(word << 16) >> 24, (int)(word << 8) >> 24, (int)word >> 24);
}

/// <summary>d, 16 bytes of nibbles less 8: 9 words.</summary>
internal readonly struct Q4_0Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 2) * 9;
        uint quants = Blocks.Word(weights, block + 1 + (unit & 3) * 2);
        float scale = TPlatform.HalfToFloat(weights[block]);
        return new Octet(
            Blocks.Scaled<TPlatform>(Blocks.Bytes(quants, 15), scale, -8 * scale),
            Blocks.Scaled<TPlatform>(Blocks.Bytes(quants >> 4, 15), scale, -8 * scale));
    }
}

/// <summary>d, m, 16 bytes of nibbles: 10 words.</summary>
internal readonly struct Q4_1Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 2) * 10;
        uint head = Blocks.AlignedWord(weights, block);
        uint quants = Blocks.AlignedWord(weights, block + 2 + (unit & 3) * 2);
        float scale = TPlatform.HalfToFloat((ushort)head);
        float minimum = TPlatform.HalfToFloat((ushort)(head >> 16));
        return new Octet(
            Blocks.Scaled<TPlatform>(Blocks.Bytes(quants, 15), scale, minimum),
            Blocks.Scaled<TPlatform>(Blocks.Bytes(quants >> 4, 15), scale, minimum));
    }
}

/// <summary>d, 32 fifth bits, 16 bytes of nibbles, less 16: 11 words.</summary>
internal readonly struct Q5_0Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 2) * 11;
        int j = (unit & 3) * 4;
        uint fifths = Blocks.Word(weights, block + 1) >> j;
        uint quants = Blocks.Word(weights, block + 3 + (unit & 3) * 2);
        float scale = TPlatform.HalfToFloat(weights[block]);
        return new Octet(
            Blocks.Scaled<TPlatform>(FiveBits.Join(quants, fifths), scale, -16 * scale),
            Blocks.Scaled<TPlatform>(FiveBits.Join(quants >> 4, fifths >> 16), scale, -16 * scale));
    }
}

/// <summary>d, m, 32 fifth bits, 16 bytes of nibbles: 12 words.</summary>
internal readonly struct Q5_1Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        long block = row + (unit >> 2) * 12;
        int j = (unit & 3) * 4;
        uint head = Blocks.AlignedWord(weights, block);
        uint fifths = Blocks.AlignedWord(weights, block + 2) >> j;
        uint quants = Blocks.AlignedWord(weights, block + 4 + (unit & 3) * 2);
        float scale = TPlatform.HalfToFloat((ushort)head);
        float minimum = TPlatform.HalfToFloat((ushort)(head >> 16));
        return new Octet(
            Blocks.Scaled<TPlatform>(FiveBits.Join(quants, fifths), scale, minimum),
            Blocks.Scaled<TPlatform>(FiveBits.Join(quants >> 4, fifths >> 16), scale, minimum));
    }
}

internal static class FiveBits
{
    /// <summary>The low nibbles of four bytes, with the low four bits of <paramref name="fifths"/> on top.</summary>
    public static Quad Join(uint nibbles, uint fifths) => new(
        (int)((nibbles & 15) | ((fifths << 4) & 16)),
        (int)(((nibbles >> 8) & 15) | ((fifths << 3) & 16)),
        (int)(((nibbles >> 16) & 15) | ((fifths << 2) & 16)),
        (int)(((nibbles >> 24) & 15) | ((fifths << 1) & 16)));
}
