using ServingGrid.Engine.Sampling;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Sampling;

/// <summary>Sampling parameters through the whole engine.</summary>
public sealed class SamplingTests
{
    [Theory]
    [InlineData(0f, 0)]
    [InlineData(0.8f, 1)]
    [InlineData(1.2f, 20)]
    [InlineData(1.2f, 64)]
    public async Task Sample_FromCandidatesOrWholeRow_IsTheSame(float temperature, int topK)
    {
        await using var rig = new EngineRig();
        for (int seed = 0; seed < 8; seed++)
        {
            var sampling = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = 0.95f, MinP = 0.01f, Seed = (ulong)seed };
            SequenceRequest request = EngineRig.Request(EngineRig.Prompt(12, seed), 12, sampling);
            // Log-probabilities need the whole row.
            Generated whole = await rig.GenerateAsync(request with { Sampling = sampling with { LogProbabilities = 0 } });
            Assert.Equal((await rig.GenerateAsync(request)).Tokens, whole.Tokens);
        }
    }

    [Fact]
    public async Task Sample_LogProbabilities_AreTheModelsOwn()
    {
        await using var rig = new EngineRig();
        Generated result = await rig.GenerateAsync(EngineRig.Request(
            EngineRig.Prompt(12, 1), 6, new SamplingParameters { Temperature = 0, LogProbabilities = 64, LogitBias = new Dictionary<int, float> { [3] = 100 } }));
        foreach (ChosenToken choice in result.Choices)
        {
            Assert.Equal(3, choice.Token);
            Assert.Equal(64, choice.Top!.Count);
            Assert.True(choice.Top.Zip(choice.Top.Skip(1)).All(pair => pair.First.LogProbability >= pair.Second.LogProbability));
            Assert.InRange(choice.Top.Sum(top => Math.Exp(top.LogProbability)), 0.5, 1.0001);
            Assert.True(choice.LogProbability < 0);
        }
    }

    [Fact]
    public async Task Sample_NegativeBias_NeverChoosesTheToken()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(12, 1), 20);
        int banned = (await rig.GenerateAsync(request)).Tokens[0];
        Generated result = await rig.GenerateAsync(
            request with { Sampling = request.Sampling with { LogitBias = new Dictionary<int, float> { [banned] = -100 } } });
        Assert.DoesNotContain(banned, result.Tokens);
    }

    [Theory]
    [InlineData(0, 0f, 2f, 3f)]
    [InlineData(0, 2f, 0f, 3f)]
    [InlineData(1, 2f, 0f, 1f)]
    [InlineData(1, 0f, 2f, 1f)]
    [InlineData(3, 2f, 0f, 1f)]
    [InlineData(3, 0f, 2f, -3f)]
    [InlineData(3, -2f, -2f, 11f)]
    public void Apply_PresenceAndFrequency_CountTheAnswerOnly(int times, float presence, float frequency, float expected)
    {
        int[] tokens = [5, .. Enumerable.Repeat(5, times)];
        float[] logits = [0, 0, 0, 0, 0, 3];
        new PenaltyCounts(tokens, answerStart: 1).Apply(
            new SamplingParameters { PresencePenalty = presence, FrequencyPenalty = frequency }, logits);
        Assert.Equal([0, 0, 0, 0, 0, expected], logits);
    }

    [Fact]
    public async Task Sample_StrongRepetitionPenalty_AvoidsThePrompt()
    {
        await using var rig = new EngineRig();
        int[] prompt = [.. Enumerable.Range(0, TinyTransformer.VocabularySize / 2)];
        var sampling = new SamplingParameters { Temperature = 0, RepetitionPenalty = 100 };
        Generated result = await rig.GenerateAsync(EngineRig.Request(prompt, 1, sampling));
        Generated free = await rig.GenerateAsync(EngineRig.Request(prompt, 1, sampling with { RepetitionPenalty = 1, LogProbabilities = 64 }));
        int bestUnseen = free.Choices[0].Top!.First(top => top.Token >= prompt.Length).Token;
        Assert.Equal(bestUnseen, result.Tokens[0]);
    }

    [Fact]
    public async Task Sample_TopPOfZero_IsGreedy()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(12, 1), 12);
        int[] greedy = (await rig.GenerateAsync(request)).Tokens;
        foreach (int topK in (int[])[0, -1, 20])
        {
            var sampling = new SamplingParameters { Temperature = 2, TopP = 0, TopK = topK, Seed = 9 };
            Assert.Equal(greedy, (await rig.GenerateAsync(request with { Sampling = sampling })).Tokens);
            Assert.Equal(greedy, (await rig.GenerateAsync(request with { Sampling = sampling with { LogProbabilities = 1 } })).Tokens);
        }
    }

    [Fact]
    public async Task Sample_TinyTemperature_IsGreedyWhereOneTokenIsLikeliest()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(12, 1), 12);
        int[] greedy = (await rig.GenerateAsync(request)).Tokens;
        foreach (float temperature in (float[])[float.Epsilon, 1e-38f, 1e-6f])
        {
            Assert.Equal(greedy, (await rig.GenerateAsync(
                request with { Sampling = new SamplingParameters { Temperature = temperature, Seed = 9 } })).Tokens);
        }
    }
}
