using ServingGrid.Kernels.Ilgpu.Programs;

namespace ServingGrid.Kernels.Tests.Ilgpu;

public sealed class PortableHalfTests
{
    [Fact]
    public void ToFloat_EveryHalf_EqualsTheRuntimesConversion()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            float actual = PortableHalf.ToFloat((ushort)bits);
            Assert.True(expected.Equals(actual), $"{bits:X4}: {actual} instead of {expected}");
        }
    }

    [Fact]
    public void FromFloat_HalvesAndWhatLiesBetween_EqualsTheRuntimesConversion()
    {
        var random = new Random(31);
        for (int i = 0; i < 200_000; i++)
        {
            // Around each half: itself, the midpoint to the next one, and a float's step to either side of that.
            float half = (float)BitConverter.UInt16BitsToHalf((ushort)random.Next(0x7C01));
            float next = (float)BitConverter.UInt16BitsToHalf((ushort)(BitConverter.HalfToUInt16Bits((Half)half) + 1));
            float middle = float.IsFinite(next) ? (half + next) / 2 : half;
            foreach (float value in (ReadOnlySpan<float>)[half, middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle), -middle])
            {
                Assert.Equal(BitConverter.HalfToUInt16Bits((Half)value), PortableHalf.FromFloat(value));
            }
        }
    }

    [Theory]
    [InlineData(65519f)]
    [InlineData(65520f)]
    [InlineData(1e30f)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(1e-8f)]
    [InlineData(2.9802322e-8f)]
    [InlineData(-0f)]
    public void FromFloat_AtTheEnds_EqualsTheRuntimesConversion(float value) =>
        Assert.Equal(BitConverter.HalfToUInt16Bits((Half)value), PortableHalf.FromFloat(value));
}
