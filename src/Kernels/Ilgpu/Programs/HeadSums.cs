using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>Which of four queries a slot counts for.</summary>
internal readonly struct QuadMask(bool x, bool y, bool z, bool w)
{
    public readonly bool X = x;
    public readonly bool Y = y;
    public readonly bool Z = z;
    public readonly bool W = w;

    /// <summary>Component by component: <paramref name="yes"/> where the mask is set, <paramref name="no"/> elsewhere.</summary>
    public Quad Select(Quad yes, Quad no) => new(X ? yes.X : no.X, Y ? yes.Y : no.Y, Z ? yes.Z : no.Z, W ? yes.W : no.W);
}

/// <summary>
/// The part of four queries' outputs that one lane keeps in registers: dimensions lane, lane + 32, … of a head. How many is
/// fixed when the kernel is compiled (registers cannot be indexed): <see cref="HeadSums32"/>, doubled by <see cref="HeadSums{T}"/>.
/// </summary>
internal interface IHeadSums<TSelf>
    where TSelf : struct, IHeadSums<TSelf>
{
    /// <summary>Largest head that fits.</summary>
    static abstract int Size { get; }

    static abstract TSelf Scale(TSelf sums, Quad factor);

    /// <summary>Adds <paramref name="weight"/> · the value at dimension <paramref name="d"/> (and 32, 64, … more) of a slot.</summary>
    static abstract TSelf Add<TPlatform, TCache>(TSelf sums, Quad weight, CacheView cache, long value, int d)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement;

    /// <summary>As <c>Add</c>, for the queries in the mask alone.</summary>
    static abstract TSelf AddMasked<TPlatform, TCache>(TSelf sums, Quad weight, QuadMask mask, CacheView cache, long value, int d)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement;

    /// <summary>total · a + piece · b for the queries in the mask.</summary>
    static abstract TSelf Merge<TPlatform>(TSelf total, Quad a, TSelf piece, Quad b, QuadMask mask)
        where TPlatform : struct, IPlatform;

    /// <summary>Writes query <paramref name="query"/> (0–3) to <c>target[first + d]</c>, for dimensions below the head's size.</summary>
    static abstract void Store(TSelf sums, int query, ArrayView<float> target, long first, int d, int headSize);
}

/// <summary>Heads of up to 32.</summary>
internal readonly struct HeadSums32(Quad values) : IHeadSums<HeadSums32>
{
    public readonly Quad Values = values;

    public static int Size => Lanes.Count;

    public static HeadSums32 Scale(HeadSums32 sums, Quad factor) => new(sums.Values * factor);

    public static HeadSums32 Add<TPlatform, TCache>(HeadSums32 sums, Quad weight, CacheView cache, long value, int d)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement =>
        new(Quad.MultiplyAdd<TPlatform>(weight, Load<TPlatform, TCache>(cache, value, d), sums.Values));

    public static HeadSums32 AddMasked<TPlatform, TCache>(HeadSums32 sums, Quad weight, QuadMask mask, CacheView cache, long value, int d)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement =>
        new(mask.Select(Quad.MultiplyAdd<TPlatform>(weight, Load<TPlatform, TCache>(cache, value, d), sums.Values), sums.Values));

    public static HeadSums32 Merge<TPlatform>(HeadSums32 total, Quad a, HeadSums32 piece, Quad b, QuadMask mask)
        where TPlatform : struct, IPlatform =>
        new(mask.Select(Quad.MultiplyAdd<TPlatform>(total.Values, a, piece.Values * b), total.Values));

    public static void Store(HeadSums32 sums, int query, ArrayView<float> target, long first, int d, int headSize)
    {
        if (d < headSize)
        {
            Quad v = sums.Values;
            target[first + d] = query == 0 ? v.X : query == 1 ? v.Y : query == 2 ? v.Z : v.W;
        }
    }

    // Dimensions beyond the head read its last one: a lane that is in bounds costs less than a branch, and the sum is not stored.
    private static Quad Load<TPlatform, TCache>(CacheView cache, long value, int d)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement =>
        Quad.Splat(TCache.Load<TPlatform>(cache, value + IntrinsicMath.Min(d, cache.HeadSize - 1)));
}

/// <summary>Heads of up to twice <typeparamref name="T"/>'s.</summary>
internal readonly struct HeadSums<T>(T low, T high) : IHeadSums<HeadSums<T>>
    where T : struct, IHeadSums<T>
{
    public readonly T Low = low;
    public readonly T High = high;

    public static int Size => 2 * T.Size;

    public static HeadSums<T> Scale(HeadSums<T> sums, Quad factor) => new(T.Scale(sums.Low, factor), T.Scale(sums.High, factor));

    public static HeadSums<T> Add<TPlatform, TCache>(HeadSums<T> sums, Quad weight, CacheView cache, long value, int d)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement =>
        new(T.Add<TPlatform, TCache>(sums.Low, weight, cache, value, d), T.Add<TPlatform, TCache>(sums.High, weight, cache, value, d + T.Size));

    public static HeadSums<T> AddMasked<TPlatform, TCache>(HeadSums<T> sums, Quad weight, QuadMask mask, CacheView cache, long value, int d)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement =>
        new(
            T.AddMasked<TPlatform, TCache>(sums.Low, weight, mask, cache, value, d),
            T.AddMasked<TPlatform, TCache>(sums.High, weight, mask, cache, value, d + T.Size));

    public static HeadSums<T> Merge<TPlatform>(HeadSums<T> total, Quad a, HeadSums<T> piece, Quad b, QuadMask mask)
        where TPlatform : struct, IPlatform =>
        new(T.Merge<TPlatform>(total.Low, a, piece.Low, b, mask), T.Merge<TPlatform>(total.High, a, piece.High, b, mask));

    public static void Store(HeadSums<T> sums, int query, ArrayView<float> target, long first, int d, int headSize)
    {
        T.Store(sums.Low, query, target, first, d, headSize);
        T.Store(sums.High, query, target, first, d + T.Size, headSize);
    }
}
