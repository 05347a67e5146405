namespace ServingGrid.Kernels.Cpu.Simd;

/// <summary>What <see cref="VectorMath{L,V}.Exp2"/> computes with, for code that is generated to do the same.</summary>
internal static class Exp2Constants
{
    /// <summary>Smaller arguments are taken for this.</summary>
    public const float Least = -125;

    /// <summary>Of 2^r for |r| ≤ 1/2 (the coefficients of Cephes' exp2f), from the highest power down.</summary>
    public static ReadOnlySpan<float> Polynomial =>
    [
        1.535336188319500e-4f,
        1.339887440266574e-3f,
        9.618437357674640e-3f,
        5.550332471162809e-2f,
        2.402264791363012e-1f,
        6.931472028550421e-1f,
        1f,
    ];
}
