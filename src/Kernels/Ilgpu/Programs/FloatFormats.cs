using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>Four 16-bit words, loaded together.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ShortQuad(ushort x, ushort y, ushort z, ushort w)
{
    public readonly ushort X = x;
    public readonly ushort Y = y;
    public readonly ushort Z = z;
    public readonly ushort W = w;
}

/// <summary>Rows of floats, padded with zeros to whole groups of 32 columns when the matrix is loaded.</summary>
internal readonly struct F32Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        ArrayView<Quad> quads = weights.Cast<Quad>().AsAligned(16);
        long first = (row + 2 * Blocks.Column32(unit)) >> 3;
        return new Octet(quads[first], quads[first + 4]);
    }
}

internal readonly struct F16Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        ArrayView<ShortQuad> quads = weights.Cast<ShortQuad>().AsAligned(8);
        long first = (row + Blocks.Column32(unit)) >> 2;
        return new Octet(Widen<TPlatform>(quads[first]), Widen<TPlatform>(quads[first + 4]));
    }

    private static Quad Widen<TPlatform>(ShortQuad q)
        where TPlatform : struct, IPlatform =>
        new(TPlatform.HalfToFloat(q.X), TPlatform.HalfToFloat(q.Y), TPlatform.HalfToFloat(q.Z), TPlatform.HalfToFloat(q.W));
}

internal readonly struct BF16Format : IBlockFormat
{
    public static int RunDistance => 16;

    public static int FirstColumn(int unit) => Blocks.Column32(unit);

    public static Octet Load<TPlatform>(ArrayView<ushort> weights, long row, int unit)
        where TPlatform : struct, IPlatform
    {
        ArrayView<ShortQuad> quads = weights.Cast<ShortQuad>().AsAligned(8);
        long first = (row + Blocks.Column32(unit)) >> 2;
        return new Octet(Widen(quads[first]), Widen(quads[first + 4]));
    }

    private static Quad Widen(ShortQuad q) =>
        new(Interop.IntAsFloat((uint)q.X << 16), Interop.IntAsFloat((uint)q.Y << 16), Interop.IntAsFloat((uint)q.Z << 16), Interop.IntAsFloat((uint)q.W << 16));
}
