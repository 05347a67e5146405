using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>Tests by bits, which no compiler's idea of fast arithmetic removes.</summary>
internal static class Finite
{
    /// <summary>The value, if <paramref name="condition"/> is finite; else not a number.</summary>
    public static float OrNot(float condition, float value) =>
        (Interop.FloatAsInt(condition) & 0x7F800000u) == 0x7F800000u ? float.NaN : value;
}
