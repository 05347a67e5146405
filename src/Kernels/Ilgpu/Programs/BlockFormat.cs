using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>
/// How a tensor type's blocks are read. A row is a sequence of <b>units</b> of eight elements in two runs of four columns, cut
/// so that four bytes of quants hold a unit's low and high halves: lane l of 32 takes units l, l + 32, …, and neighbouring lanes
/// read neighbouring words.
/// </summary>
/// <remarks>Values equal <c>Model.Gguf.Dequantizer</c>'s, up to contraction of its product and sum.</remarks>
internal interface IBlockFormat
{
    /// <summary>First column of a unit's first run.</summary>
    static abstract int FirstColumn(int unit);

    /// <summary>Columns from the first run to the second.</summary>
    static abstract int RunDistance { get; }

    /// <summary>Dequantises one unit of the row that starts at element <paramref name="row"/> of <paramref name="weights"/>.</summary>
    static abstract Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform;
}

/// <summary>Parts that the formats share.</summary>
internal static class Blocks
{
    /// <summary>Formats of 32-element blocks: unit u covers columns 4j … and 16 + 4j … of block u / 4, j = u mod 4.</summary>
    public static int Column32(int unit) => (unit >> 2) * 32 + (unit & 3) * 4;

    /// <summary>Two neighbouring 16-bit words as one, for blocks that are only aligned to two bytes.</summary>
    public static uint Word(ArrayView<ushort> weights, long index) => weights[index] | ((uint)weights[index + 1] << 16);

    /// <summary>An aligned 32-bit word; <paramref name="index"/> counts 16-bit words and is even.</summary>
    public static uint AlignedWord(ArrayView<ushort> weights, long index) => weights.Cast<uint>()[index >> 1];

    /// <summary>The four bytes of a word, masked, as floats.</summary>
    public static Quad Bytes(uint word, uint mask) =>
        new((int)(word & mask), (int)((word >> 8) & mask), (int)((word >> 16) & mask), (int)((word >> 24) & mask));

    /// <summary>value · scale + offset, without fusing being left to a compiler.</summary>
    public static Quad Scaled<TPlatform>(Quad value, float scale, float offset)
        where TPlatform : struct, IPlatform =>
        Quad.MultiplyAdd<TPlatform>(value, Quad.Splat(scale), Quad.Splat(offset));
}
