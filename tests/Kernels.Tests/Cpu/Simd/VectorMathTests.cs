using System.Runtime.Intrinsics;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Tests.Cpu.Simd;

public sealed class VectorMathTests
{
    [Fact]
    public void Exp_WholeRange_WithinTwoUnits()
    {
        for (float x = -86; x <= 0; x += 0.00731f)
        {
            double expected = Math.Exp(x);
            float actual = VectorMath<Lanes128, Vector128<float>>.Exp(Vector128.Create(x)).ToScalar();
            Assert.True(Math.Abs(actual - expected) <= 2 * (double)(MathF.BitIncrement((float)expected) - (float)expected), $"e^{x}: {actual} for {expected}");
        }
    }

    [Fact]
    public void Exp_Edges_OneAndNearlyNothing()
    {
        Assert.Equal(1f, VectorMath<Lanes128, Vector128<float>>.Exp(Vector128<float>.Zero).ToScalar());
        Assert.InRange(VectorMath<Lanes128, Vector128<float>>.Exp(Vector128.Create(float.NegativeInfinity)).ToScalar(), 0f, 1e-37f);
    }

    [Fact]
    public void Exp2_WholeRange_WithinThreeUnitsInEveryWidth()
    {
        for (float x = -125; x <= 0; x += 0.00931f)
        {
            double expected = Math.Pow(2, x);
            float actual = VectorMath<Lanes128, Vector128<float>>.Exp2(Vector128.Create(x)).ToScalar();
            Assert.True(Math.Abs(actual - expected) <= 3 * (double)(MathF.BitIncrement((float)expected) - (float)expected), $"2^{x}: {actual} for {expected}");
            if (CpuFeatures.Avx512)
            {
                Assert.Equal(actual, VectorMath<Lanes512, Vector512<float>>.Exp2(Vector512.Create(x)).ToScalar());
            }

            if (CpuFeatures.Avx2)
            {
                Assert.Equal(actual, VectorMath<Lanes256, Vector256<float>>.Exp2(Vector256.Create(x)).ToScalar());
            }
        }

        Assert.Equal(1f, VectorMath<Lanes128, Vector128<float>>.Exp2(Vector128<float>.Zero).ToScalar());
        Assert.InRange(VectorMath<Lanes128, Vector128<float>>.Exp2(Vector128.Create(float.NegativeInfinity)).ToScalar(), 0f, 1e-37f);
    }
}
