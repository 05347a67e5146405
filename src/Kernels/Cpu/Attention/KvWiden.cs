using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Copies one head's keys and values of a block into working memory as F32, padded to whole vectors.</summary>
internal static unsafe class KvWiden<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <param name="block">Block of one layer.</param>
    /// <param name="geometry">Sizes.</param>
    /// <param name="kvHead">Head.</param>
    /// <param name="slots">Slots whose values are wanted; keys are copied whole.</param>
    /// <param name="keys">[headSize][PaddedSlots]; padding is undefined.</param>
    /// <param name="values">[slots][PaddedHead]; padding is undefined but finite.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Load(byte* block, in AttentionGeometry geometry, int kvHead, int slots, float* keys, float* values)
    {
        KvLayout layout = geometry.Layout;
        byte* keySource = block + layout.KeysOf(kvHead);
        byte* valueSource = block + layout.ValuesOf(kvHead);
        if (layout.Type == KvType.F16)
        {
            Rows<HalfSource>(keySource, layout.BlockSize, layout.HeadSize, keys, geometry.PaddedSlots);
            Rows<HalfSource>(valueSource, layout.HeadSize, slots, values, geometry.PaddedHead);
        }
        else
        {
            Rows<SingleSource>(keySource, layout.BlockSize, layout.HeadSize, keys, geometry.PaddedSlots);
            Rows<SingleSource>(valueSource, layout.HeadSize, slots, values, geometry.PaddedHead);
        }
    }

    [MethodImpl(KernelCode.Optimized)]
    private static void Rows<S>(byte* source, int length, int rows, float* destination, int stride)
        where S : ISource
    {
        for (int r = 0; r < rows; r++, source += length * S.Bytes, destination += stride)
        {
            int i = 0;
            for (; i + L.Count <= length; i += L.Count)
            {
                L.Store(destination + i, S.Load(source + i * S.Bytes));
            }

            for (; i < length; i++)
            {
                destination[i] = S.LoadOne(source + i * S.Bytes);
            }

            for (; i < stride; i++)
            {
                destination[i] = 0;
            }
        }
    }

    private interface ISource
    {
        static abstract int Bytes { get; }

        static abstract V Load(byte* source);

        static abstract float LoadOne(byte* source);
    }

    private readonly struct HalfSource : ISource
    {
        public static int Bytes => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Load(byte* source) => HalfFloats.Load<L, V>((ushort*)source);

        public static float LoadOne(byte* source) => HalfFloats.LoadScaled(*(ushort*)source) * HalfFloats.Scale;
    }

    private readonly struct SingleSource : ISource
    {
        public static int Bytes => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Load(byte* source) => L.Load(source);

        public static float LoadOne(byte* source) => *(float*)source;
    }
}
