using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices.Formats;

// The types of super-blocks of 256: eight blocks of 32 (Q6_K: sixteen of 16) whose small scales multiply F16 factors.

/// <summary>w = d · scale · u − dmin · min; { d, dmin, 12 bytes of 6-bit scales and minima, 128 bytes of nibbles }.</summary>
internal readonly unsafe struct Q4_K : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q4_K, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 4;

    public static int HighBits => 0;

    public static int Offset => 0;

    public static bool HasMin => true;

    public static bool SuperBlocks => true;

    public static bool HalfScales => false;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index / 8 * 144L;
        int part = index % 8;
        Bits.ReadSixBitScale(block + 4, part, out scale, out min);
        Bits.ReadHalfBytes(block + 16 + part / 2 * 32, part % 2 * 4, groups);
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min)
    {
        byte* block = row + index / 8 * 144L;
        (d, min) = (*(ushort*)block, (ushort)(*(ushort*)(block + 2) ^ 0x8000));
    }
}

/// <summary>As Q4_K, with 32 bytes of high bits (bit of block j at bit j of its element's byte) before the nibbles.</summary>
internal readonly unsafe struct Q5_K : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q5_K, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 4;

    public static int HighBits => 1;

    public static int Offset => 0;

    public static bool HasMin => true;

    public static bool SuperBlocks => true;

    public static bool HalfScales => false;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index / 8 * 176L;
        int part = index % 8;
        Bits.ReadSixBitScale(block + 4, part, out scale, out min);
        Bits.ReadHalfBytes(block + 48 + part / 2 * 32, part % 2 * 4, groups);
        for (int g = 0; g < 8; g++)
        {
            groups[g] |= ((*(uint*)(block + 16 + 4 * g) >> part) & 0x01010101) << 4;
        }
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min)
    {
        byte* block = row + index / 8 * 176L;
        (d, min) = (*(ushort*)block, (ushort)(*(ushort*)(block + 2) ^ 0x8000));
    }
}

/// <summary>w = d · scale · (u − 32); { 128 bytes of low halves, 64 bytes of 2-bit highs, 16 signed scales, d }.</summary>
internal readonly unsafe struct Q6_K : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q6_K, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 4;

    public static int HighBits => 2;

    public static int Offset => 32;

    public static bool HasMin => false;

    public static bool SuperBlocks => true;

    public static bool HalfScales => true;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index / 8 * 210L;
        int part = index % 8;
        int half = part / 4;
        int quarter = part % 4;
        Bits.ReadHalfBytes(block + half * 64 + (quarter & 1) * 32, (quarter >> 1) * 4, groups);
        byte* high = block + 128 + half * 32;
        for (int g = 0; g < 8; g++)
        {
            groups[g] |= ((*(uint*)(high + 4 * g) >> (2 * quarter)) & 0x03030303) << 4;
        }

        (scale, min) = (block[192 + 2 * part], block[193 + 2 * part]);
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min) =>
        (d, min) = (*(ushort*)(row + index / 8 * 210L + 208), 0);
}
