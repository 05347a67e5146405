using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests;

/// <summary>Whatever else the engine does, a sequence's tokens are those that it has alone, and no block is lost.</summary>
public sealed class RandomWorkloadTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Engine_RandomWorkload_GivesEverySequenceItsTokens(int seed)
    {
        var random = new Random(seed);
        SequenceRequest[] requests = [.. Enumerable.Range(0, 40).Select(_ => RandomRequest(random))];
        Dictionary<SequenceRequest, int[]> alone = [];
        await using (var plain = new EngineRig(EngineRig.SmallOptions with { MaxBatchTokens = 512, PrefixCache = false }))
        {
            foreach (SequenceRequest request in requests)
            {
                alone[request] = (await plain.GenerateAsync(request)).Tokens;
            }
        }

        int sequences = random.Next(1, 12);
        await using var rig = new EngineRig(EngineRig.SmallOptions with
        {
            KvBlocks = random.Next(12, 40),
            MaxSequences = sequences,
            MaxBatchTokens = sequences + random.Next(1, 40),
            MaxPrefillTokensWhileDecoding = random.Next(1, 40),
        });
        await Task.WhenAll(requests.Select((request, i) => RunAsync(rig, request, alone[request], new Random((seed * 1000) + i))));
        await rig.AssertIdleAsync();
        Assert.Equal(requests.Length, rig.Engine.Status.Finished);
    }

    private static async Task RunAsync(EngineRig rig, SequenceRequest request, int[] expected, Random random)
    {
        await Task.Delay(random.Next(0, 30));
        SequenceHandle handle = rig.Submit(request);
        bool cancels = random.Next(4) == 0;
        if (cancels)
        {
            await Task.Delay(random.Next(0, 10));
            handle.Cancel();
        }

        Generated result = await EngineRig.ReadAsync(handle);
        Assert.True(cancels || result.End.Cause == FinishCause.Length);
        Assert.Equal(expected[..result.Tokens.Length], result.Tokens);
        Assert.True(result.End.Cause == FinishCause.Cancelled || result.Tokens.Length == expected.Length);
    }

    // A third of the prompts share one of two prefixes.
    private static SequenceRequest RandomRequest(Random random)
    {
        int[] prefix = random.Next(3) == 0 ? EngineRig.Prompt(random.Next(1, 40), random.Next(2)) : [];
        SamplingParameters sampling = random.Next(3) switch
        {
            0 => SamplingParameters.Greedy,
            1 => new SamplingParameters { TopK = random.Next(1, 50), Seed = (ulong)random.Next() },
            _ => new SamplingParameters { TopP = 0.9f, FrequencyPenalty = 0.3f, Seed = (ulong)random.Next() },
        };
        return EngineRig.Request([.. prefix, .. EngineRig.Prompt(random.Next(1, 40), random.Next())], random.Next(1, 16), sampling) with { Priority = random.Next(2) };
    }
}
