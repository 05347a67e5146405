using System.Buffers.Binary;
using ServingGrid.Kernels;

namespace ServingGrid.Testing.Reference;

/// <summary>What the bytes of a Q8 block mean, written down from <see cref="KvLayout"/>'s description alone.</summary>
public static class Q8Bytes
{
    /// <summary>Fills <paramref name="values"/>, indexed by <see cref="KvLayout.KeyOffset"/> and <see cref="KvLayout.ValueOffset"/>, from a block of one layer.</summary>
    public static void Read(KvLayout layout, ReadOnlySpan<byte> block, Span<float> values)
    {
        int elements = layout.HeadSize * layout.BlockSize;
        int headBytes = elements + (4 * layout.BlockSize);
        for (int head = 0; head < layout.KvHeads; head++)
        {
            ReadOnlySpan<byte> keys = block.Slice(head * headBytes, headBytes);
            ReadOnlySpan<byte> ofValues = block.Slice((layout.KvHeads + head) * headBytes, headBytes);
            for (int slot = 0; slot < layout.BlockSize; slot++)
            {
                float keyScale = BinaryPrimitives.ReadSingleLittleEndian(keys[(elements + (4 * slot))..]);
                float valueScale = BinaryPrimitives.ReadSingleLittleEndian(ofValues[(elements + (4 * slot))..]);
                for (int d = 0; d < layout.HeadSize; d++)
                {
                    int key = keys[(d / 4 * 4 * layout.BlockSize) + (4 * slot) + (d % 4)] - 128;
                    int value = (sbyte)ofValues[(slot / 2 * 2 * layout.HeadSize) + (2 * d) + (slot % 2)];
                    values[layout.KeyOffset(head, d, slot)] = key * keyScale;
                    values[layout.ValueOffset(head, slot, d)] = value * valueScale;
                }
            }
        }
    }
}
