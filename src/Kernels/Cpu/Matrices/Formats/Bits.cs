namespace ServingGrid.Kernels.Cpu.Matrices.Formats;

/// <summary>Bit arithmetic on four weights at a time, one in each byte of an integer.</summary>
internal static unsafe class Bits
{
    /// <summary>16 bytes that hold elements 0–15 in their low halves and 16–31 in their high halves.</summary>
    public static void ReadNibbles(byte* source, uint* groups)
    {
        for (int g = 0; g < 4; g++)
        {
            uint bytes = *(uint*)(source + 4 * g);
            groups[g] = bytes & 0x0f0f0f0f;
            groups[g + 4] = (bytes >> 4) & 0x0f0f0f0f;
        }
    }

    /// <summary>32 elements in the low (shift 0) or high (shift 4) halves of 32 bytes.</summary>
    public static void ReadHalfBytes(byte* source, int shift, uint* groups)
    {
        for (int g = 0; g < 8; g++)
        {
            groups[g] = (*(uint*)(source + 4 * g) >> shift) & 0x0f0f0f0f;
        }
    }

    /// <summary>Bit e of <paramref name="bits"/> becomes bit 4 of element e.</summary>
    public static void AddFifthBits(uint bits, uint* groups)
    {
        for (int g = 0; g < 8; g++)
        {
            // Four copies, 7 bits apart, put bit i of the four at bit 8·i.
            uint four = (bits >> (4 * g)) & 0xf;
            groups[g] |= ((four * 0x00204081) & 0x01010101) << 4;
        }
    }

    /// <summary>6-bit scale and minimum of block <paramref name="part"/> of a super-block (Q4_K, Q5_K).</summary>
    public static void ReadSixBitScale(byte* packed, int part, out ushort scale, out ushort min)
    {
        if (part < 4)
        {
            scale = (ushort)(packed[part] & 63);
            min = (ushort)(packed[part + 4] & 63);
        }
        else
        {
            scale = (ushort)((packed[part + 4] & 0xf) | ((packed[part - 4] >> 6) << 4));
            min = (ushort)((packed[part + 4] >> 4) | ((packed[part] >> 6) << 4));
        }
    }
}
