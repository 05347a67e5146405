using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>IEEE 754 binary16 in integer arithmetic, for back ends without a half type. Exact; conversions to half round to nearest even.</summary>
internal static class PortableHalf
{
    // 2⁻²⁴, the smallest subnormal half, and 2¹¹², which moves a half's exponent to where a float has it.
    private const float Subnormal = 5.9604645e-8f;
    private const float Rebias = 5.192296858534828e33f;

    public static float ToFloat(ushort half)
    {
        uint magnitude = half & 0x7FFFu;
        float value = Interop.IntAsFloat(magnitude << 13) * Rebias;
        if (magnitude < 0x400u)
        {
            // Computed from the integer, because a device may flush the subnormal float that the shift gives.
            value = magnitude * Subnormal;
        }
        else if (magnitude >= 0x7C00u)
        {
            value = Interop.IntAsFloat((magnitude << 13) | 0x7F800000u);
        }

        return (half & 0x8000u) != 0 ? -value : value;
    }

    public static ushort FromFloat(float value)
    {
        uint bits = Interop.FloatAsInt(value);
        uint sign = (bits >> 16) & 0x8000u;
        uint magnitude = bits & 0x7FFFFFFFu;
        uint half;
        if (magnitude > 0x7F800000u)
        {
            half = 0x7E00u;
        }
        else if (magnitude >= 0x477FF000u)
        {
            // 65520 and more round to infinity.
            half = 0x7C00u;
        }
        else if (magnitude < 0x38800000u)
        {
            // Below 2⁻¹⁴: adding 0.5 puts the subnormal's bits, rounded, into the low end of the float.
            half = Interop.FloatAsInt(Interop.IntAsFloat(magnitude) + 0.5f) - 0x3F000000u;
        }
        else
        {
            half = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
        }

        return (ushort)(sign | half);
    }
}
