using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ServingGrid.Model.Gguf;

/// <summary>
/// F32 to quantised blocks by plain rounding: for tests and generated models. The 32-element types are rounded as ggml's
/// <c>quantize_row_*_ref</c> does; for the K types ggml searches better scales than this. Stateless; safe from any thread.
/// </summary>
public static class Quantizer
{
    /// <summary>Quantises whole blocks; the inverse of <see cref="Dequantizer.DequantizeRow"/> up to rounding.</summary>
    /// <param name="type">Element type of <paramref name="blocks"/>.</param>
    /// <param name="values">Finite numbers whose scales fit F16 (magnitudes up to 500,000; for F16 itself 65,504).</param>
    /// <param name="blocks">Exactly as long as the blocks of <paramref name="values"/>.</param>
    /// <exception cref="ArgumentException">The lengths do not agree.</exception>
    public static void QuantizeRow(GgmlType type, ReadOnlySpan<float> values, Span<byte> blocks)
    {
        if (blocks.Length != type.RowBytes(values.Length))
        {
            throw new ArgumentException($"{blocks.Length} bytes are not {values.Length} elements of {type}", nameof(blocks));
        }

        int elements = type.BlockElements();
        int bytes = type.BlockBytes();
        if (elements == 1)
        {
            Narrow(type, values, blocks);
            return;
        }

        for (; values.Length > 0; values = values[elements..], blocks = blocks[bytes..])
        {
            ReadOnlySpan<float> source = values[..elements];
            Span<byte> block = blocks[..bytes];
            block.Clear();
            switch (type)
            {
                case GgmlType.Q4_0: Symmetric(source, block, block[2..], default); break;
                case GgmlType.Q4_1: Ranged(source, block, block[4..], default); break;
                case GgmlType.Q5_0: Symmetric(source, block, block[6..], block.Slice(2, 4)); break;
                case GgmlType.Q5_1: Ranged(source, block, block[8..], block.Slice(4, 4)); break;
                case GgmlType.Q8_0: Bytes(source, block); break;
                case GgmlType.Q4_K: KQuantizer.Ranged(source, block, block[16..], default); break;
                case GgmlType.Q5_K: KQuantizer.Ranged(source, block, block[48..], block.Slice(16, 32)); break;
                default: KQuantizer.Symmetric(source, block); break;
            }
        }
    }

    /// <summary>Writes a block's scale and returns it as it will be read.</summary>
    internal static float PutScale(Span<byte> destination, float scale)
    {
        BinaryPrimitives.WriteHalfLittleEndian(destination, (Half)scale);
        return Dequantizer.Scale(destination);
    }

    /// <summary>The element of largest magnitude, with its sign.</summary>
    internal static float Extreme(ReadOnlySpan<float> values)
    {
        float extreme = 0;
        foreach (float value in values)
        {
            extreme = MathF.Abs(value) > MathF.Abs(extreme) ? value : extreme;
        }

        return extreme;
    }

    internal static float Inverse(float scale) => scale == 0 ? 0 : 1 / scale;

    private static void Narrow(GgmlType type, ReadOnlySpan<float> source, Span<byte> destination)
    {
        if (type == GgmlType.F32)
        {
            MemoryMarshal.AsBytes(source).CopyTo(destination);
            return;
        }

        Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(destination);
        for (int i = 0; i < source.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(source[i]);
            // BF16 is the upper half of F32: round to nearest, ties to even.
            halves[i] = type == GgmlType.F16
                ? BitConverter.HalfToUInt16Bits((Half)source[i])
                : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
        }
    }

    /// <summary>Levels −half … half − 1, so that the extreme falls on −half exactly.</summary>
    private static void Symmetric(ReadOnlySpan<float> values, Span<byte> scale, Span<byte> nibbles, Span<byte> fifth)
    {
        int half = fifth.IsEmpty ? 8 : 16;
        float d = Extreme(values) / -half;
        PutScale(scale, d);
        Pack(values, Inverse(d), half + 0.5f, nibbles, fifth);
    }

    /// <summary>Levels from the least element to the greatest.</summary>
    private static void Ranged(ReadOnlySpan<float> values, Span<byte> scales, Span<byte> nibbles, Span<byte> fifth)
    {
        float minimum = float.MaxValue;
        float maximum = float.MinValue;
        foreach (float value in values)
        {
            minimum = MathF.Min(minimum, value);
            maximum = MathF.Max(maximum, value);
        }

        float d = (maximum - minimum) / (fifth.IsEmpty ? 15 : 31);
        PutScale(scales, d);
        PutScale(scales[2..], minimum);
        Span<float> shifted = stackalloc float[32];
        for (int i = 0; i < 32; i++)
        {
            shifted[i] = values[i] - minimum;
        }

        Pack(shifted, Inverse(d), 0.5f, nibbles, fifth);
    }

    private static void Pack(ReadOnlySpan<float> values, float inverse, float offset, Span<byte> nibbles, Span<byte> fifth)
    {
        int largest = fifth.IsEmpty ? 15 : 31;
        uint high = 0;
        for (int j = 0; j < 32; j++)
        {
            int quant = Math.Clamp((int)(values[j] * inverse + offset), 0, largest);
            nibbles[j % 16] |= (byte)((quant & 0x0F) << (j / 16 * 4));
            high |= (uint)(quant >> 4) << j;
        }

        if (!fifth.IsEmpty)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(fifth, high);
        }
    }

    private static void Bytes(ReadOnlySpan<float> values, Span<byte> block)
    {
        float d = MathF.Abs(Extreme(values)) / 127;
        PutScale(block, d);
        float inverse = Inverse(d);
        for (int j = 0; j < values.Length; j++)
        {
            block[2 + j] = (byte)(sbyte)MathF.Round(values[j] * inverse, MidpointRounding.AwayFromZero);
        }
    }
}
