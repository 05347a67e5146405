using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ServingGrid.Model.Gguf;

/// <summary>
/// Quantised blocks to F32, equal to the bit to ggml's <c>dequantize_row_*</c> (ggml-quants.c): same operations in the same
/// order, without fused multiply-add. Stateless; safe from any thread.
/// </summary>
public static class Dequantizer
{
    // Adding −0 leaves every number as it is; adding 0 would turn −0 into 0.
    private const float NoMinimum = -0f;

    /// <summary>Dequantises a row, or any number of whole blocks.</summary>
    /// <param name="type">Element type of <paramref name="blocks"/>.</param>
    /// <param name="blocks">Whole blocks, exactly as many as <paramref name="destination"/> takes.</param>
    /// <param name="destination">One value per element.</param>
    /// <exception cref="ArgumentException">The lengths do not agree.</exception>
    public static void DequantizeRow(GgmlType type, ReadOnlySpan<byte> blocks, Span<float> destination)
    {
        if (blocks.Length != type.RowBytes(destination.Length))
        {
            throw new ArgumentException($"{blocks.Length} bytes are not {destination.Length} elements of {type}", nameof(blocks));
        }

        int elements = type.BlockElements();
        int bytes = type.BlockBytes();
        if (elements == 1)
        {
            Widen(type, blocks, destination);
            return;
        }

        for (; destination.Length > 0; blocks = blocks[bytes..], destination = destination[elements..])
        {
            ReadOnlySpan<byte> block = blocks[..bytes];
            Span<float> values = destination[..elements];
            switch (type)
            {
                case GgmlType.Q4_0: Nibbles(block[2..], default, Scale(block), -8, NoMinimum, values); break;
                case GgmlType.Q4_1: Nibbles(block[4..], default, Scale(block), 0, Scale(block[2..]), values); break;
                case GgmlType.Q5_0: Nibbles(block[6..], block.Slice(2, 4), Scale(block), -16, NoMinimum, values); break;
                case GgmlType.Q5_1: Nibbles(block[8..], block.Slice(4, 4), Scale(block), 0, Scale(block[2..]), values); break;
                case GgmlType.Q8_0: Bytes(block[2..], Scale(block), values); break;
                case GgmlType.Q4_K: KQuants.Q4(block, values); break;
                case GgmlType.Q5_K: KQuants.Q5(block, values); break;
                default: KQuants.Q6(block, values); break;
            }
        }
    }

    /// <summary>The half-precision number at the start of <paramref name="bytes"/>.</summary>
    internal static float Scale(ReadOnlySpan<byte> bytes) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);

    private static void Widen(GgmlType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        if (type == GgmlType.F32)
        {
            source.CopyTo(MemoryMarshal.AsBytes(destination));
            return;
        }

        ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(source);
        for (int i = 0; i < halves.Length; i++)
        {
            destination[i] = type == GgmlType.F16
                ? (float)BitConverter.UInt16BitsToHalf(halves[i])
                : BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
        }
    }

    /// <summary>32 elements: element j in the low nibble of byte j, element j + 16 in its high nibble, fifth bits in <paramref name="high"/>.</summary>
    private static void Nibbles(ReadOnlySpan<byte> quants, ReadOnlySpan<byte> high, float scale, int bias, float minimum, Span<float> values)
    {
        uint fifth = high.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(high);
        for (int j = 0; j < 16; j++)
        {
            int low = ((quants[j] & 0x0F) | (int)((fifth >> j) & 1) << 4) + bias;
            int upper = ((quants[j] >> 4) | (int)((fifth >> (j + 16)) & 1) << 4) + bias;
            values[j] = low * scale + minimum;
            values[j + 16] = upper * scale + minimum;
        }
    }

    private static void Bytes(ReadOnlySpan<byte> quants, float scale, Span<float> values)
    {
        for (int j = 0; j < values.Length; j++)
        {
            values[j] = (sbyte)quants[j] * scale;
        }
    }
}
