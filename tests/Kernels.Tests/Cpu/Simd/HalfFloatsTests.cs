using CsCheck;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Tests.Cpu.Simd;

public sealed class HalfFloatsTests
{
    [Fact]
    public void LoadScaled_EveryFiniteHalf_IsItsValueScaled()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float value = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            if (float.IsFinite(value))
            {
                Assert.Equal(value, HalfFloats.LoadScaled((ushort)bits) * HalfFloats.Scale);
            }
        }
    }

    [Fact]
    public void FromFloat_AnyNumberInRange_RoundsAsTheRuntime() =>
        Gen.Float[-65519f, 65519f].Select(Gen.Int[-40, 0]).Sample((value, exponent) =>
        {
            float x = MathF.ScaleB(value, exponent);
            return HalfFloats.FromFloat(x) == BitConverter.HalfToUInt16Bits((Half)x);
        });

    [Theory]
    [InlineData(1e6f, 0x7bff)]
    [InlineData(float.NegativeInfinity, 0xfbff)]
    [InlineData(0f, 0)]
    [InlineData(-0f, 0x8000)]
    [InlineData(65504f, 0x7bff)]
    [InlineData(5.9604645e-8f, 1)]
    [InlineData(6.1035156e-5f, 0x400)]
    public void FromFloat_Edges_SaturatedAndExact(float value, int expected) => Assert.Equal(expected, HalfFloats.FromFloat(value));
}
