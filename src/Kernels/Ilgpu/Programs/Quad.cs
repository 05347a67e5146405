using System.Runtime.InteropServices;
using ILGPU.Algorithms;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>Four floats that are loaded, stored and computed with together.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct Quad(float x, float y, float z, float w)
{
    public readonly float X = x;
    public readonly float Y = y;
    public readonly float Z = z;
    public readonly float W = w;

    public static Quad operator +(Quad a, Quad b) => new(a.X + b.X, a.Y + b.Y, a.Z + b.Z, a.W + b.W);

    public static Quad operator *(Quad a, Quad b) =>
        new(FusedMath.Multiply(a.X, b.X), FusedMath.Multiply(a.Y, b.Y), FusedMath.Multiply(a.Z, b.Z), FusedMath.Multiply(a.W, b.W));

    public static Quad Splat(float value) => new(value, value, value, value);

    public static Quad Max(Quad a, Quad b) => new(XMath.Max(a.X, b.X), XMath.Max(a.Y, b.Y), XMath.Max(a.Z, b.Z), XMath.Max(a.W, b.W));

    /// <summary>a · b + c, component by component.</summary>
    public static Quad MultiplyAdd<TPlatform>(Quad a, Quad b, Quad c)
        where TPlatform : struct, IPlatform =>
        new(TPlatform.MultiplyAdd(a.X, b.X, c.X), TPlatform.MultiplyAdd(a.Y, b.Y, c.Y), TPlatform.MultiplyAdd(a.Z, b.Z, c.Z), TPlatform.MultiplyAdd(a.W, b.W, c.W));

    /// <summary>sum + a · b, from X to W.</summary>
    public static float Dot<TPlatform>(Quad a, Quad b, float sum)
        where TPlatform : struct, IPlatform =>
        TPlatform.MultiplyAdd(a.W, b.W, TPlatform.MultiplyAdd(a.Z, b.Z, TPlatform.MultiplyAdd(a.Y, b.Y, TPlatform.MultiplyAdd(a.X, b.X, sum))));
}

/// <summary>The eight weights of one unit: columns <c>First … First + 3</c> and <c>Second … Second + 3</c> of a row.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct Octet(Quad first, Quad second)
{
    public readonly Quad First = first;
    public readonly Quad Second = second;
}
