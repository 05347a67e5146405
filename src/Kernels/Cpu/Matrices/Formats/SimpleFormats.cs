using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices.Formats;

// The types of blocks of 32: F16 scale d, then (types _1) F16 minimum m, then (5 bits) 32 high bits, then the weights.
// 4-bit weights: byte j holds element j in its low half and element j + 16 in its high half.

/// <summary>w = d · (u − 8).</summary>
internal readonly unsafe struct Q4_0 : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q4_0, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 4;

    public static int HighBits => 0;

    public static int Offset => 8;

    public static bool HasMin => false;

    public static bool SuperBlocks => false;

    public static bool HalfScales => false;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index * 18L;
        (scale, min) = (*(ushort*)block, 0);
        Bits.ReadNibbles(block + 2, groups);
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min) => (d, min) = (0, 0);
}

/// <summary>w = d · u + m.</summary>
internal readonly unsafe struct Q4_1 : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q4_1, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 4;

    public static int HighBits => 0;

    public static int Offset => 0;

    public static bool HasMin => true;

    public static bool SuperBlocks => false;

    public static bool HalfScales => false;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index * 20L;
        (scale, min) = (*(ushort*)block, *(ushort*)(block + 2));
        Bits.ReadNibbles(block + 4, groups);
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min) => (d, min) = (0, 0);
}

/// <summary>w = d · (u − 16).</summary>
internal readonly unsafe struct Q5_0 : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q5_0, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 4;

    public static int HighBits => 1;

    public static int Offset => 16;

    public static bool HasMin => false;

    public static bool SuperBlocks => false;

    public static bool HalfScales => false;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index * 22L;
        (scale, min) = (*(ushort*)block, 0);
        Bits.ReadNibbles(block + 6, groups);
        Bits.AddFifthBits(*(uint*)(block + 2), groups);
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min) => (d, min) = (0, 0);
}

/// <summary>w = d · u + m.</summary>
internal readonly unsafe struct Q5_1 : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q5_1, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 4;

    public static int HighBits => 1;

    public static int Offset => 0;

    public static bool HasMin => true;

    public static bool SuperBlocks => false;

    public static bool HalfScales => false;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index * 24L;
        (scale, min) = (*(ushort*)block, *(ushort*)(block + 2));
        Bits.ReadNibbles(block + 8, groups);
        Bits.AddFifthBits(*(uint*)(block + 4), groups);
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min) => (d, min) = (0, 0);
}

/// <summary>w = d · (u − 128); signed bytes in the file.</summary>
internal readonly unsafe struct Q8_0 : IPanelFormat
{
    public static readonly PanelLayout Layout = new(GgmlType.Q8_0, LowBits, HighBits, Offset, HasMin, SuperBlocks);

    public static int LowBits => 8;

    public static int HighBits => 0;

    public static int Offset => 128;

    public static bool HasMin => false;

    public static bool SuperBlocks => false;

    public static bool HalfScales => false;

    public static void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min)
    {
        byte* block = row + index * 34L;
        (scale, min) = (*(ushort*)block, 0);
        for (int g = 0; g < 8; g++)
        {
            groups[g] = *(uint*)(block + 2 + 4 * g) ^ 0x80808080;
        }
    }

    public static void ReadHeader(byte* row, int index, out ushort d, out ushort min) => (d, min) = (0, 0);
}
