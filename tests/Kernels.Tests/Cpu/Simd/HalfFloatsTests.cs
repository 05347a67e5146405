using System.Runtime.Intrinsics;
using CsCheck;
using ServingGrid.Kernels.Cpu;
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
        Gen.Float[-65519f, 65519f].Select(Gen.Int[-40, 0]).Sample(
            (value, exponent) =>
            {
                float x = MathF.ScaleB(value, exponent);
                return HalfFloats.FromFloat(x) == BitConverter.HalfToUInt16Bits((Half)x);
            },
            iter: 10_000,
            seed: "0000KGXjKAz1");

    [Fact]
    public void Store_AnyNumber_AsOneByOneInEveryWidth() =>
        Gen.OneOf(Gen.Float, Gen.Float[-65519f, 65519f], Gen.Float[-1e-4f, 1e-4f]).Where(x => !float.IsNaN(x)).Array[16].Sample(numbers =>
        {
            ushort[] expected = [.. numbers.Select(HalfFloats.FromFloat)];
            Assert.Equal(expected, Stored<Lanes128, Vector128<float>>(numbers));
            if (CpuFeatures.Avx2)
            {
                Assert.Equal(expected, Stored<Lanes256, Vector256<float>>(numbers));
            }

            if (CpuFeatures.Avx512)
            {
                Assert.Equal(expected, Stored<Lanes512, Vector512<float>>(numbers));
            }
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

    private static unsafe ushort[] Stored<L, V>(float[] numbers)
        where L : ILanes<V>
        where V : unmanaged
    {
        ushort[] halves = new ushort[numbers.Length];
        fixed (float* source = numbers)
        fixed (ushort* destination = halves)
        {
            for (int i = 0; i < numbers.Length; i += L.Count)
            {
                HalfFloats.Store<L, V>(destination + i, L.Load(source + i));
            }
        }

        return halves;
    }
}
