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
        Generated result = await rig.GenerateAsync(request with { Sampling = request.Sampling with { LogitBias = new Dictionary<int, float> { [banned] = -1000 } } });
        Assert.DoesNotContain(banned, result.Tokens);
    }

    [Fact]
    public async Task Sample_StrongPresencePenalty_RepeatsNothing()
    {
        await using var rig = new EngineRig();
        Generated result = await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(12, 1), 60, new SamplingParameters { Temperature = 0, PresencePenalty = 1000 }));
        Assert.Equal(60, result.Tokens.Distinct().Count());
    }

    [Fact]
    public async Task Sample_StrongRepetitionPenalty_AvoidsThePrompt()
    {
        await using var rig = new EngineRig();
        int[] prompt = [.. Enumerable.Range(0, TinyTransformer.VocabularySize / 2)];
        var sampling = new SamplingParameters { Temperature = 0, RepetitionPenalty = 1e6f };
        Generated result = await rig.GenerateAsync(EngineRig.Request(prompt, 1, sampling));
        Generated free = await rig.GenerateAsync(EngineRig.Request(prompt, 1, sampling with { RepetitionPenalty = 1, LogProbabilities = 64 }));
        int bestUnseen = free.Choices[0].Top!.First(top => top.Token >= prompt.Length).Token;
        Assert.Equal(bestUnseen, result.Tokens[0]);
    }
}
