using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Writes one position's key and value of one head into their slot of a block of <see cref="KvLayout"/>.</summary>
/// <remarks>What the type cannot hold as a finite number is written as not a number, see <see cref="KvLayout"/>.</remarks>
internal static unsafe class KvAppend<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    private const int Stripe = 64;

    /// <summary>Writes <paramref name="key"/> and <paramref name="value"/>, a head each.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Write(float* key, float* value, KvLayout layout, byte* block, int head, int slot)
    {
        byte* keys = block + layout.KeysOf(head);
        byte* values = block + layout.ValuesOf(head);
        switch (layout.Type)
        {
            case KvType.F16:
                Keys(key, layout, (ushort*)keys + slot);
                Halves(value, layout.HeadSize, (ushort*)values + slot * layout.HeadSize);
                break;
            case KvType.F32:
                Singles(key, value, layout, (float*)keys + slot, (float*)values + slot * layout.HeadSize);
                break;
            default:
                Bytes(key, value, layout, keys, (sbyte*)values, slot);
                break;
        }
    }

    private static void Singles(float* key, float* value, KvLayout layout, float* keys, float* values)
    {
        for (int d = 0; d < layout.HeadSize; d++)
        {
            keys[d * layout.BlockSize] = FiniteOrNot(key[d]);
            values[d] = FiniteOrNot(value[d]);
        }
    }

    private static float FiniteOrNot(float number) => float.IsFinite(number) ? number : float.NaN;

    [SkipLocalsInit]
    [MethodImpl(KernelCode.Optimized)]
    private static void Bytes(float* key, float* value, KvLayout layout, byte* keys, sbyte* values, int slot)
    {
        const int Together = KvLayout.KeysTogether;
        int headSize = layout.HeadSize;
        sbyte* bytes = stackalloc sbyte[headSize];
        ((float*)(keys + layout.HeadElements))[slot] = Q8Numbers<L, V>.ToBytes(key, headSize, bytes);
        for (int d = 0; d < headSize; d += Together)
        {
            // Signed to 128 more: the highest bit of each byte the other way round.
            *(uint*)(keys + (d * layout.BlockSize) + (slot * Together)) = *(uint*)(bytes + d) ^ 0x80808080;
        }

        ((float*)(values + layout.HeadElements))[slot] = Q8Numbers<L, V>.ToBytes(value, headSize, bytes);
        sbyte* place = values + layout.ValueOffset(0, slot, 0) - layout.PartElements;
        for (int d = 0; d < headSize; d++)
        {
            place[d * KvLayout.ValuesTogether] = bytes[d];
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
