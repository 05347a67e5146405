using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Writes one position's key and value of one head into their slot of a block of <see cref="KvLayout"/>.</summary>
internal static unsafe class KvAppend
{
    public static void Write(float* key, float* value, KvLayout layout, byte* block, int head, int slot)
    {
        int keyOffset = layout.KeyOffset(head, 0, slot);
        int valueOffset = layout.ValueOffset(head, slot, 0);
        if (layout.Type == KvType.F16)
        {
            ushort* k = (ushort*)block + keyOffset;
            ushort* v = (ushort*)block + valueOffset;
            for (int d = 0; d < layout.HeadSize; d++)
            {
                k[d * layout.BlockSize] = HalfFloats.FromFloat(key[d]);
                v[d] = HalfFloats.FromFloat(value[d]);
            }
        }
        else
        {
            float* k = (float*)block + keyOffset;
            float* v = (float*)block + valueOffset;
            for (int d = 0; d < layout.HeadSize; d++)
            {
                k[d * layout.BlockSize] = key[d];
                v[d] = value[d];
            }
        }
    }
}
