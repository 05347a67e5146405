using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>One layer of a paged KV cache inside a kernel; see <see cref="KvLayout"/>. Indices count elements.</summary>
internal struct CacheView
{
    /// <summary>The whole cache as halves (F16).</summary>
    public ArrayView<ushort> Halves;

    /// <summary>The whole cache as floats (F32).</summary>
    public ArrayView<float> Floats;

    /// <summary>First element of the layer.</summary>
    public long Layer;

    public int KvHeads;

    public int HeadSize;

    /// <summary>Slots of a block.</summary>
    public int BlockSize;

    /// <summary>Of dimension 0; the next dimension is <see cref="BlockSize"/> elements on.</summary>
    public readonly long KeyIndex(int block, int kvHead, int slot) =>
        Layer + block * 2L * Part + (long)kvHead * HeadSize * BlockSize + slot;

    /// <summary>Of dimension 0; the next slot is <see cref="HeadSize"/> elements on.</summary>
    public readonly long ValueIndex(int block, int kvHead, int slot) =>
        Layer + (block * 2L + 1) * Part + ((long)kvHead * BlockSize + slot) * HeadSize;

    private readonly int Part => KvHeads * HeadSize * BlockSize;
}

/// <summary>Element type of a cache, chosen when a kernel is compiled. Stores write what is not finite as not a number, see <see cref="KvLayout"/>.</summary>
internal interface ICacheElement
{
    static abstract float Load<TPlatform>(CacheView cache, long index)
        where TPlatform : struct, IPlatform;

    static abstract void Store<TPlatform>(CacheView cache, long index, float value)
        where TPlatform : struct, IPlatform;
}

internal readonly struct F16Cache : ICacheElement
{
    public static float Load<TPlatform>(CacheView cache, long index)
        where TPlatform : struct, IPlatform =>
        TPlatform.HalfToFloat(cache.Halves[index]);

    public static void Store<TPlatform>(CacheView cache, long index, float value)
        where TPlatform : struct, IPlatform
    {
        ushort half = TPlatform.FloatToHalf(value);
        cache.Halves[index] = (half & 0x7C00) == 0x7C00 ? KvLayout.HalfNotANumber : half;
    }
}

internal readonly struct F32Cache : ICacheElement
{
    public static float Load<TPlatform>(CacheView cache, long index)
        where TPlatform : struct, IPlatform =>
        cache.Floats[index];

    public static void Store<TPlatform>(CacheView cache, long index, float value)
        where TPlatform : struct, IPlatform =>
        cache.Floats[index] = Finite.OrNot(value, value);
}
