using System.Runtime.Intrinsics;
using CsCheck;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Tests.Cpu.Simd;

public sealed class HalfFloatsTests
{
    [Fact]
    public void LoadScaled_EveryHalf_IsItsValueScaled()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float value = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            Assert.Equal(value, HalfFloats.LoadScaled((ushort)bits) * HalfFloats.Scale);
        }
    }

    [Fact]
    public void Load_EveryHalf_AsTheRuntimeInEveryWidth()
    {
        ushort[] halves = [.. Enumerable.Range(0, ushort.MaxValue + 1).Select(x => (ushort)x)];
        float[] expected = [.. halves.Select(x => (float)BitConverter.UInt16BitsToHalf(x))];
        Assert.Equal(expected, Loaded<Lanes128, Vector128<float>>(halves));
        if (CpuFeatures.Avx2)
        {
            Assert.Equal(expected, Loaded<Lanes256, Vector256<float>>(halves));
        }

        if (CpuFeatures.Avx512)
        {
            Assert.Equal(expected, Loaded<Lanes512, Vector512<float>>(halves));
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
        Gen.OneOf(Gen.Float, Gen.Float[-65519f, 65519f], Gen.Float[65500f, 65540f], Gen.Float[-1e-4f, 1e-4f], Gen.UInt.Select(BitConverter.UInt32BitsToSingle)).Array[16].Sample(numbers =>
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

    /// <summary>As the runtime, but for what the type has no number for.</summary>
    [Theory]
    [InlineData(65519.99f, 0x7bff)]
    [InlineData(-65519.99f, 0xfbff)]
    [InlineData(65520f, 0x7e00)]
    [InlineData(-65520f, 0x7e00)]
    [InlineData(1e6f, 0x7e00)]
    [InlineData(float.PositiveInfinity, 0x7e00)]
    [InlineData(float.NegativeInfinity, 0x7e00)]
    [InlineData(float.NaN, 0x7e00)]
    [InlineData(2.9802322e-8f, 0)]
    [InlineData(2.9802326e-8f, 1)]
    [InlineData(0f, 0)]
    [InlineData(-0f, 0x8000)]
    [InlineData(65504f, 0x7bff)]
    [InlineData(5.9604645e-8f, 1)]
    [InlineData(6.1035156e-5f, 0x400)]
    public void FromFloat_Edges_ExactOrNotANumber(float value, int expected) => Assert.Equal(expected, HalfFloats.FromFloat(value));

    private static unsafe float[] Loaded<L, V>(ushort[] halves)
        where L : ILanes<V>
        where V : unmanaged
    {
        float[] numbers = new float[halves.Length];
        fixed (ushort* source = halves)
        fixed (float* destination = numbers)
        {
            for (int i = 0; i < numbers.Length; i += L.Count)
            {
                L.Store(destination + i, HalfFloats.Load<L, V>(source + i));
            }
        }

        return numbers;
    }

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
