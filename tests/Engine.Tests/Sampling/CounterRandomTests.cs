using ServingGrid.Engine.Sampling;

namespace ServingGrid.Engine.Tests.Sampling;

public sealed class CounterRandomTests
{
    // Known answers of Random123's philox4x32_10 (kat_vectors).
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Philox_KnownAnswers_AreEqual(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal((x0, x1, x2, x3), CounterRandom.Philox(c0, c1, c2, c3, k0, k1));

    [Fact]
    public void Uniform_ManyPositions_IsUniform()
    {
        int[] bins = new int[20];
        const int Draws = 40_000;
        for (int i = 0; i < Draws; i++)
        {
            double value = CounterRandom.Uniform(42, i);
            Assert.InRange(value, 0, 1 - 1e-16);
            bins[(int)(value * bins.Length)]++;
        }

        double expected = (double)Draws / bins.Length;
        double chiSquare = bins.Sum(count => (count - expected) * (count - expected) / expected);
        Assert.True(chiSquare < 43.8, $"χ² {chiSquare} has p < 0.001 with 19 degrees of freedom");
    }
}
