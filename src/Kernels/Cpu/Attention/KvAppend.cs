using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Writes one position's key and value of one head into their slot of a block of <see cref="KvLayout"/>.</summary>
internal static unsafe class KvAppend<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    private const int Stripe = 64;

    /// <summary>Writes <paramref name="key"/> and <paramref name="value"/>, a head each.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Write(float* key, float* value, KvLayout layout, byte* block, int head, int slot)
    {
        int keyOffset = layout.KeyOffset(head, 0, slot);
        int valueOffset = layout.ValueOffset(head, slot, 0);
        if (layout.Type == KvType.F16)
        {
            Keys(key, layout, (ushort*)block + keyOffset);
            Halves(value, layout.HeadSize, (ushort*)block + valueOffset);
            return;
        }

        float* k = (float*)block + keyOffset;
        float* v = (float*)block + valueOffset;
        for (int d = 0; d < layout.HeadSize; d++)
        {
            k[d * layout.BlockSize] = key[d];
            v[d] = value[d];
        }
    }

    /// <summary>Converts some dimensions side by side, then writes each to where its slots lie.</summary>
    [SkipLocalsInit]
    [MethodImpl(KernelCode.Optimized)]
    private static void Keys(float* key, KvLayout layout, ushort* destination)
    {
        ushort* stripe = stackalloc ushort[Stripe];
        for (int first = 0; first < layout.HeadSize; first += Stripe)
        {
            int count = Math.Min(Stripe, layout.HeadSize - first);
            Halves(key + first, count, stripe);
            for (int d = 0; d < count; d++)
            {
                destination[(first + d) * layout.BlockSize] = stripe[d];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Halves(float* source, int count, ushort* destination)
    {
        int i = 0;
        for (; i + L.Count <= count; i += L.Count)
        {
            HalfFloats.Store<L, V>(destination + i, L.Load(source + i));
        }

        for (; i < count; i++)
        {
            destination[i] = HalfFloats.FromFloat(source[i]);
        }
    }
}
