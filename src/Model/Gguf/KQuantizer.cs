namespace ServingGrid.Model.Gguf;

/// <summary>The K types of <see cref="Quantizer"/>; layouts in <see cref="KQuants"/>. Blocks come in cleared.</summary>
internal static class KQuantizer
{
    private const int LargestScale = 63;

    /// <summary>Q4_K and, with fifth bits, Q5_K: 8 groups of 32 with 6-bit scales and minima.</summary>
    public static void Ranged(ReadOnlySpan<float> values, Span<byte> block, Span<byte> nibbles, Span<byte> fifth)
    {
        int levels = fifth.IsEmpty ? 15 : 31;
        Span<float> scales = stackalloc float[8];
        Span<float> minima = stackalloc float[8];
        for (int group = 0; group < 8; group++)
        {
            // The format subtracts a minimum of one sign only: a group of positive numbers starts at zero.
            (float low, float high) = (0, 0);
            foreach (float value in values.Slice(group * 32, 32))
            {
                (low, high) = (MathF.Min(low, value), MathF.Max(high, value));
            }

            (scales[group], minima[group]) = ((high - low) / levels, -low);
        }

        float d = Quantizer.PutScale(block, Quantizer.Extreme(scales) / LargestScale);
        float minimumScale = Quantizer.PutScale(block[2..], Quantizer.Extreme(minima) / LargestScale);
        for (int group = 0; group < 8; group++)
        {
            int scale = SixBits(scales[group], d);
            int minimum = SixBits(minima[group], minimumScale);
            PackScale(block.Slice(4, 12), group, scale, minimum);
            float inverse = Quantizer.Inverse(d * scale);
            for (int i = 0; i < 32; i++)
            {
                int quant = Math.Clamp((int)MathF.Round((values[group * 32 + i] + minimumScale * minimum) * inverse), 0, levels);
                nibbles[group / 2 * 32 + i] |= (byte)((quant & 0x0F) << (group % 2 * 4));
                if (!fifth.IsEmpty)
                {
                    fifth[i] |= (byte)(quant >> 4 << group);
                }
            }
        }
    }

    /// <summary>Q6_K: 16 groups of 16 with signed 8-bit scales.</summary>
    public static void Symmetric(ReadOnlySpan<float> values, Span<byte> block)
    {
        Span<float> scales = stackalloc float[16];
        for (int group = 0; group < 16; group++)
        {
            scales[group] = Quantizer.Extreme(values.Slice(group * 16, 16)) / -32;
        }

        float d = Quantizer.PutScale(block[208..], Quantizer.Extreme(scales) / -128);
        for (int group = 0; group < 16; group++)
        {
            var scale = (sbyte)Math.Clamp(MathF.Round(scales[group] * Quantizer.Inverse(d)), -128, 127);
            block[192 + group] = (byte)scale;
            float inverse = Quantizer.Inverse(d * scale);
            for (int i = 0; i < 16; i++)
            {
                int element = group * 16 + i;
                int quant = Math.Clamp((int)MathF.Round(values[element] * inverse), -32, 31) + 32;
                (int half, int part, int column) = (element / 128, element % 128 / 32, element % 32);
                block[half * 64 + part % 2 * 32 + column] |= (byte)((quant & 0x0F) << (part / 2 * 4));
                block[128 + half * 32 + column] |= (byte)(quant >> 4 << (part * 2));
            }
        }
    }

    private static int SixBits(float value, float scale) => Math.Clamp((int)MathF.Round(value * Quantizer.Inverse(scale)), 0, LargestScale);

    private static void PackScale(Span<byte> packed, int group, int scale, int minimum)
    {
        if (group < 4)
        {
            packed[group] |= (byte)scale;
            packed[group + 4] |= (byte)minimum;
            return;
        }

        packed[group + 4] = (byte)((scale & 0x0F) | (minimum & 0x0F) << 4);
        packed[group - 4] |= (byte)(scale >> 4 << 6);
        packed[group] |= (byte)(minimum >> 4 << 6);
    }
}
