using CsCheck;
using ServingGrid.Engine.Sampling;

namespace ServingGrid.Engine.Tests.Sampling;

public sealed class TokenDrawTests
{
    private static readonly Gen<SamplingParameters> Parameters = Gen.Select(
        Gen.Float[0.2f, 2f], Gen.Int[0, 40], Gen.OneOf(Gen.Const(1f), Gen.Float[0.05f, 0.999f]), Gen.OneOf(Gen.Const(0f), Gen.Float[0.001f, 0.9f]),
        (temperature, topK, topP, minP) => new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP });

    [Fact]
    public void Draw_AnyParameters_GivesThePlainSamplersToken() =>
        Gen.Select(Gen.Float[-12f, 12f].Array[2, 200], Parameters, Gen.Double[0, 0.999999999]).Sample((logits, parameters, uniform) =>
        {
            (int expected, double margin) = PlainSampler.Draw(PlainSampler.Distribution(logits, parameters), uniform);
            int token = new TokenDraw(logits.Length).Draw(logits, logits.Max(), parameters, uniform);
            // Where rounding decides whether a token is in or out, the borders move: nothing is asked of those.
            return margin < 1e-4 || IsOnEdge(logits, parameters) || token == expected;
        }, seed: "0000KOIKNSXx2", iter: 3000);

    [Fact]
    public void SelectTop_TiesAndOrder_EqualsSorting() =>
        Gen.Select(Gen.Int[-3, 3].Array[1, 100], Gen.Int[1, 100]).Sample((values, count) =>
        {
            float[] logits = [.. values.Select(value => (float)value)];
            var best = new Candidate[Math.Min(count, logits.Length)];
            TopSelector.SelectTop(logits, best);
            int[] expected = [.. Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(best.Length)];
            return expected.SequenceEqual(best.Select(one => one.Token)) && best.All(one => one.Logit == logits[one.Token]);
        }, seed: "0000KOIKNSXx2", iter: 1000);

    [Theory]
    [InlineData(1f, 0, 1f, 0f)]
    [InlineData(0.7f, 5, 1f, 0f)]
    [InlineData(1.3f, 0, 0.8f, 0f)]
    [InlineData(1f, 0, 1f, 0.05f)]
    public void Draw_ManyPositions_FollowsTheDistribution(float temperature, int topK, float topP, float minP)
    {
        const int Draws = 20_000;
        var random = new Random(5);
        float[] logits = [.. Enumerable.Range(0, 24).Select(_ => random.NextSingle() * 4)];
        var parameters = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP };
        Dictionary<int, double> expected = PlainSampler.Distribution(logits, parameters).ToDictionary(one => one.Token, one => one.Probability * Draws);
        int[] counts = new int[logits.Length];
        var draw = new TokenDraw(logits.Length);
        for (int i = 0; i < Draws; i++)
        {
            counts[draw.Draw(logits, logits.Max(), parameters, CounterRandom.Uniform(1, i))]++;
        }

        Assert.All(Enumerable.Range(0, logits.Length), token => Assert.True(expected.ContainsKey(token) || counts[token] == 0));
        double chiSquare = expected.Sum(one => (counts[one.Key] - one.Value) * (counts[one.Key] - one.Value) / one.Value);
        int freedom = expected.Count - 1;
        // Mean f, deviation √2f: five deviations above.
        Assert.True(chiSquare < freedom + (5 * Math.Sqrt(2 * freedom)), $"χ² {chiSquare} with {freedom} degrees of freedom");
    }

    private static bool IsOnEdge(float[] logits, SamplingParameters parameters)
    {
        const float Hair = 1e-5f;
        int Count(float topP, float minP) => PlainSampler.Distribution(logits, parameters with { TopP = topP, MinP = minP }).Count;
        return (parameters.TopP < 1 && Count(parameters.TopP * (1 - Hair), parameters.MinP) != Count(Math.Min(parameters.TopP * (1 + Hair), 0.999999f), parameters.MinP))
            || (parameters.MinP > 0 && Count(parameters.TopP, parameters.MinP * (1 - Hair)) != Count(parameters.TopP, parameters.MinP * (1 + Hair)));
    }
}
