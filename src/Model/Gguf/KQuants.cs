namespace ServingGrid.Model.Gguf;

/// <summary>Blocks of 256 elements with scales of their own for each 16 or 32 of them (ggml's "K" types).</summary>
internal static class KQuants
{
    /// <summary>d, dmin (F16), 12 bytes of packed scales and minima, 128 bytes of nibbles.</summary>
    public static void Q4(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> quants = block[16..];
        for (int group = 0; group < 8; group++)
        {
            (float scale, float minimum) = GroupScale(block, group);
            ReadOnlySpan<byte> packed = quants.Slice(group / 2 * 32, 32);
            Span<float> target = values.Slice(group * 32, 32);
            int shift = group % 2 * 4;
            for (int i = 0; i < 32; i++)
            {
                target[i] = scale * ((packed[i] >> shift) & 0x0F) - minimum;
            }
        }
    }

    /// <summary>As <see cref="Q4"/>, with 32 bytes of fifth bits before the nibbles: bit g of byte i belongs to element i of group g.</summary>
    public static void Q5(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> high = block.Slice(16, 32);
        ReadOnlySpan<byte> quants = block[48..];
        for (int group = 0; group < 8; group++)
        {
            (float scale, float minimum) = GroupScale(block, group);
            ReadOnlySpan<byte> packed = quants.Slice(group / 2 * 32, 32);
            Span<float> target = values.Slice(group * 32, 32);
            int shift = group % 2 * 4;
            for (int i = 0; i < 32; i++)
            {
                target[i] = scale * (((packed[i] >> shift) & 0x0F) + ((high[i] >> group) & 1) * 16) - minimum;
            }
        }
    }

    /// <summary>128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales (one per 16 elements), d (F16).</summary>
    public static void Q6(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> scales = block.Slice(192, 16);
        float d = Dequantizer.Scale(block[208..]);
        for (int half = 0; half < 2; half++)
        {
            ReadOnlySpan<byte> low = block.Slice(half * 64, 64);
            ReadOnlySpan<byte> high = block.Slice(128 + half * 32, 32);
            for (int part = 0; part < 4; part++)
            {
                // Parts 0 and 1 are the low nibbles of bytes 0–31 and 32–63, parts 2 and 3 their high nibbles.
                ReadOnlySpan<byte> packed = low.Slice(part % 2 * 32, 32);
                Span<float> target = values.Slice(half * 128 + part * 32, 32);
                for (int i = 0; i < 32; i++)
                {
                    int quant = (((packed[i] >> (part / 2 * 4)) & 0x0F) | (((high[i] >> (part * 2)) & 3) << 4)) - 32;
                    target[i] = d * (sbyte)scales[half * 8 + part * 2 + i / 16] * quant;
                }
            }
        }
    }

    /// <summary>Scale and minimum of a group of 32: 6-bit integers packed into 12 bytes, times the block's d and dmin.</summary>
    private static (float Scale, float Minimum) GroupScale(ReadOnlySpan<byte> block, int group)
    {
        ReadOnlySpan<byte> packed = block.Slice(4, 12);
        int scale = group < 4 ? packed[group] & 63 : (packed[group + 4] & 0x0F) | (packed[group - 4] >> 6 << 4);
        int minimum = group < 4 ? packed[group + 4] & 63 : (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
        return (Dequantizer.Scale(block) * scale, Dequantizer.Scale(block[2..]) * minimum);
    }
}
