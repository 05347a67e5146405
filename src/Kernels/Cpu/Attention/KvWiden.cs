using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Copies one head's keys and values of a block into working memory as F32 (F16: times a unit and 2^-112), padded to whole vectors.</summary>
internal static unsafe class KvWiden<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <param name="block">Block of one layer.</param>
    /// <param name="geometry">Sizes.</param>
    /// <param name="kvHead">Head.</param>
    /// <param name="slots">Slots whose values are wanted; keys are copied whole.</param>
    /// <param name="unit">F16: factor; 2^112 gives the values themselves.</param>
    /// <param name="keys">[headSize][PaddedSlots]; padding is undefined.</param>
    /// <param name="values">[slots][PaddedHead]; padding is undefined but finite.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Load(byte* block, in AttentionGeometry geometry, int kvHead, int slots, float unit, float* keys, float* values)
    {
        KvLayout layout = geometry.Layout;
        byte* keySource = block + layout.KeysOf(kvHead);
        byte* valueSource = block + layout.ValuesOf(kvHead);
        if (layout.Type == KvType.F16)
        {
            Rows<HalfSource>(keySource, layout.BlockSize, layout.HeadSize, unit, keys, geometry.PaddedSlots);
            Rows<HalfSource>(valueSource, layout.HeadSize, slots, unit, values, geometry.PaddedHead);
        }
        else
        {
            Rows<SingleSource>(keySource, layout.BlockSize, layout.HeadSize, unit, keys, geometry.PaddedSlots);
            Rows<SingleSource>(valueSource, layout.HeadSize, slots, unit, values, geometry.PaddedHead);
        }
    }

    [MethodImpl(KernelCode.Optimized)]
    private static void Rows<S>(byte* source, int length, int rows, float unit, float* destination, int stride)
        where S : ISource
    {
        for (int r = 0; r < rows; r++, source += length * S.Bytes, destination += stride)
        {
            int i = 0;
            for (; i + L.Count <= length; i += L.Count)
            {
                L.Store(destination + i, S.Load(source + i * S.Bytes, unit));
            }

            for (; i < length; i++)
            {
                destination[i] = S.LoadOne(source + i * S.Bytes, unit);
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

        static abstract V Load(byte* source, float unit);

        static abstract float LoadOne(byte* source, float unit);
    }

    private readonly struct HalfSource : ISource
    {
        public static int Bytes => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Load(byte* source, float unit) => L.Multiply(HalfFloats.LoadScaled<L, V>((ushort*)source), L.Broadcast(unit));

        public static float LoadOne(byte* source, float unit) => HalfFloats.LoadScaled(*(ushort*)source) * unit;
    }

    private readonly struct SingleSource : ISource
    {
        public static int Bytes => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Load(byte* source, float unit) => L.Load(source);

        public static float LoadOne(byte* source, float unit) => *(float*)source;
    }
}
