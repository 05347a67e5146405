using ILGPU;
using Half = ILGPU.Half;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>
/// What differs between back ends inside a kernel. A type parameter of every kernel, so that the compiler sees one variant.
/// </summary>
/// <remarks>
/// Sums are never left to a platform: every kernel writes the order of its sums out. Only the maximum, which is the same in any
/// order, uses warp shuffles where they exist.
/// </remarks>
internal interface IPlatform
{
    /// <summary>a · b + c, either always fused or never: a compiler that may choose could choose differently in two kernels.</summary>
    static abstract float MultiplyAdd(float a, float b, float c);

    static abstract float HalfToFloat(ushort half);

    /// <summary>Rounds to nearest, ties to even.</summary>
    static abstract ushort FloatToHalf(float value);

    /// <summary>
    /// The group's shared memory: sized by the launch where the back end can, and of <paramref name="most"/> elements, a constant,
    /// where it cannot. A kernel calls this once.
    /// </summary>
    static abstract ArrayView<T> GroupMemory<T>(int most)
        where T : unmanaged;

    /// <summary>Lets the 32 lanes of a row of the group see each other's shared memory; every warp of the group takes part.</summary>
    static abstract void LaneBarrier();

    /// <summary>Component-wise maximum over the 32 lanes of a row of the group. <paramref name="scratch"/>: 32 quads of those lanes.</summary>
    static abstract Quad LaneMaximum(Quad value, ArrayView<Quad> scratch, int lane);
}

/// <summary>CUDA: shuffles, native halves, and explicit fused multiply-adds (ptxas may or may not contract mul + add).</summary>
internal readonly struct CudaPlatform : IPlatform
{
    public static float MultiplyAdd(float a, float b, float c) => FusedMath.MultiplyAdd(a, b, c);

    public static float HalfToFloat(ushort half) => Interop.IntAsFloat(half);

    public static ushort FloatToHalf(float value) => Interop.FloatAsInt((Half)value);

    public static ArrayView<T> GroupMemory<T>(int most)
        where T : unmanaged => SharedMemory.GetDynamic<T>();

    public static void LaneBarrier() => Warp.Barrier();

    public static Quad LaneMaximum(Quad value, ArrayView<Quad> scratch, int lane) => Lanes.ShuffledMaximum(value);
}

/// <summary>ILGPU's CPU accelerator with warps of 32: CUDA's way through the kernels, for tests.</summary>
internal readonly struct WarpPlatform : IPlatform
{
    public static float MultiplyAdd(float a, float b, float c) => a * b + c;

    public static float HalfToFloat(ushort half) => Interop.IntAsFloat(half);

    public static ushort FloatToHalf(float value) => PortableHalf.FromFloat(value);

    public static ArrayView<T> GroupMemory<T>(int most)
        where T : unmanaged => SharedMemory.GetDynamic<T>();

    public static void LaneBarrier() => Warp.Barrier();

    public static Quad LaneMaximum(Quad value, ArrayView<Quad> scratch, int lane) => Lanes.ShuffledMaximum(value);
}

/// <summary>
/// OpenCL and anything else: no shuffles (PoCL has no sub-groups, other devices have them in any size), no half type (an
/// optional extension), no shared memory sized by the launch (ILGPU declares it in a way that PoCL refuses). ILGPU writes a
/// product and a sum as two statements, which OpenCL C does not contract.
/// </summary>
internal readonly struct PortablePlatform : IPlatform
{
    public static float MultiplyAdd(float a, float b, float c) => a * b + c;

    public static float HalfToFloat(ushort half) => PortableHalf.ToFloat(half);

    public static ushort FloatToHalf(float value) => PortableHalf.FromFloat(value);

    public static ArrayView<T> GroupMemory<T>(int most)
        where T : unmanaged => SharedMemory.Allocate<T>(most);

    public static void LaneBarrier() => Group.Barrier();

    public static Quad LaneMaximum(Quad value, ArrayView<Quad> scratch, int lane)
    {
        scratch[lane] = value;
        Group.Barrier();
        Quad max = scratch[0];
        for (int i = 1; i < Lanes.Count; i++)
        {
            max = Quad.Max(max, scratch[i]);
        }

        Group.Barrier();
        return max;
    }
}

/// <summary>The 32 lanes that share the work of one row: a warp on CUDA.</summary>
internal static class Lanes
{
    public const int Count = 32;

    public static Quad ShuffledMaximum(Quad value)
    {
        for (int mask = Count / 2; mask > 0; mask >>= 1)
        {
            value = Quad.Max(value, Warp.ShuffleXor(value, mask));
        }

        return value;
    }

    /// <summary>
    /// The sum of 32 partial sums as a butterfly would form it: halves, quarters, … of the 32 added pairwise. The one order in
    /// which every matrix product and norm adds its lanes, whichever thread does it.
    /// </summary>
    public static float TreeSum(ArrayView<float> partials, int first)
    {
        Quad low = Pairs(partials, first) + Pairs(partials, first + 8);
        Quad high = Pairs(partials, first + 4) + Pairs(partials, first + 12);
        Quad quad = low + high;
        return (quad.X + quad.Z) + (quad.Y + quad.W);
    }

    private static Quad Pairs(ArrayView<float> partials, int i) => new(
        partials[i] + partials[i + 16],
        partials[i + 1] + partials[i + 17],
        partials[i + 2] + partials[i + 18],
        partials[i + 3] + partials[i + 19]);
}
