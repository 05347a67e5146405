using System.Runtime.Intrinsics;
using CsCheck;
using ServingGrid.Kernels.Cpu.Elementwise;
using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Tests.Cpu.Elementwise;

public sealed unsafe class ActivationQuantizerTests
{
    [Fact]
    public void Block_AnyNumbers_NearestStepAndTrueSums() =>
        Gen.Float[-1000f, 1000f].Array[32].Select(Gen.Int[-30, 10]).Sample(
            (values, exponent) =>
            {
                byte* record = stackalloc byte[ActivationLayout.BlockBytes];
                float* x = stackalloc float[32];
                for (int i = 0; i < 32; i++)
                {
                    x[i] = MathF.ScaleB(values[i], exponent);
                }

                ActivationQuantizer<Lanes128, Vector128<float>>.Block(x, record, 0, 1);
                float scale = *(float*)(record + ActivationLayout.Scale);
                int sum = 0;
                int half = 0;
                for (int i = 0; i < 32; i++)
                {
                    int q = ((sbyte*)record)[i];
                    Assert.InRange(q, -127, 127);
                    Assert.True(Math.Abs(x[i] - q * scale) <= scale * 0.5001f);
                    sum += q;
                    half += i < 16 ? q : 0;
                }

                Assert.Equal(-128 * sum, *(int*)(record + ActivationLayout.NegatedSum));
                Assert.Equal(-128 * half, *(int*)(record + ActivationLayout.NegatedHalfSum));
                Assert.Equal(scale * sum, *(float*)(record + ActivationLayout.ScaledSum));
            },
            seed: "0000KGXjKAz1");

    [Theory]
    [InlineData(0f)]
    [InlineData(1e-44f)]
    public void Block_ZerosOrNearly_Zero(float value)
    {
        byte* record = stackalloc byte[ActivationLayout.BlockBytes];
        float* x = stackalloc float[32];
        new Span<float>(x, 32).Fill(value);
        ActivationQuantizer<Lanes128, Vector128<float>>.Block(x, record, 0, 1);
        Assert.Equal(0f, *(float*)(record + ActivationLayout.Scale));
        Assert.Equal(new byte[32], new Span<byte>(record, 32).ToArray());
    }
}
