using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests;

/// <summary>
/// A quantised model on the processor, through the whole engine: tokens and log-probabilities are the same bits alone, in a crowd, in chunks
/// of any size, after preemption and when resumed.
/// </summary>
public sealed class EngineInvarianceTests
{
    private const int Count = 32;

    private static readonly EngineOptions Roomy = new()
    {
        BlockSize = 8,
        KvBlocks = 200,
        MaxBatchTokens = 512,
        MaxPrefillTokensWhileDecoding = 512,
        MaxSequences = Count,
        PrefixCache = false,
    };

    public static TheoryData<string> Models => ["llama-Q4_1", "qwen3-Q4_K_M"];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Submit_Batch32ChunksAndPreemption_SameBitsAsAlone(string name)
    {
        using ModelFile file = ModelFile.Open(RepositoryRoot.Combine("tests", "Golden", "models", name + ".gguf"));
        SequenceRequest[] requests = [.. Enumerable.Range(0, Count).Select(i => Request(file.Config.VocabularySize, i))];
        IReadOnlyList<ChosenToken>[] alone = [];
        await RunAsync(file, Roomy, async engine =>
        {
            foreach (SequenceRequest request in requests)
            {
                alone = [.. alone, (await AnswerAsync(engine, request)).Choices];
            }
        });

        await AssertSameAsync(Roomy, preempts: false);
        await AssertSameAsync(Roomy with { MaxBatchTokens = Count + 1, MaxPrefillTokensWhileDecoding = 1 }, preempts: false);
        await AssertSameAsync(Roomy with { MaxBatchTokens = Count + 13, MaxPrefillTokensWhileDecoding = 7 }, preempts: false);

        // The longest sequence takes 14 blocks: some find no room to grow and are computed anew.
        await AssertSameAsync(Roomy with { KvBlocks = 20 }, preempts: true);
        await AssertSameAsync(Roomy with { KvBlocks = 20, MaxBatchTokens = Count + 5, PrefixCache = true }, preempts: true);

        Task AssertSameAsync(EngineOptions options, bool preempts) => RunAsync(file, options, async engine =>
        {
            Generated[] together = await Task.WhenAll(requests.Select(request => AnswerAsync(engine, request)));
            for (int i = 0; i < Count; i++)
            {
                AssertSame(alone[i], together[i].Choices, $"sequence {i}, {options}");
            }

            Assert.Equal(preempts, engine.Status.Preemptions > 0);
        });
    }

    [Fact]
    public async Task Submit_ResumedAfterAnyNumberOfTokens_SameBits()
    {
        using ModelFile file = ModelFile.Open(RepositoryRoot.Combine("tests", "Golden", "models", "qwen2-Q4_0.gguf"));
        SequenceRequest request = Request(file.Config.VocabularySize, 1);
        await RunAsync(file, Roomy, async engine =>
        {
            Generated whole = await AnswerAsync(engine, request);
            for (int given = 1; given < whole.Tokens.Length; given += 3)
            {
                Generated rest = await AnswerAsync(engine, request with { Prompt = [.. request.Prompt, .. whole.Tokens[..given]], GeneratedInPrompt = given });
                AssertSame([.. whole.Choices.Skip(given)], rest.Choices, $"resumed after {given}");
            }
        });
    }

    // Sampled at a temperature that makes every bit of the logits count, sometimes by the candidates alone.
    private static SequenceRequest Request(int vocabularySize, int i)
    {
        var random = new Random(i);
        int[] prompt = [.. Enumerable.Range(0, 1 + (i * 17 % 70)).Select(_ => random.Next(vocabularySize))];
        return EngineRig.Request(prompt, 10 + i, i % 4 == 0
            ? new SamplingParameters { Temperature = 1.5f, TopK = 40, Seed = (ulong)i }
            : new SamplingParameters { Temperature = 1.5f, LogProbabilities = 20, Seed = (ulong)i, FrequencyPenalty = i % 4 == 1 ? 0.5f : 0 });
    }

    private static void AssertSame(IReadOnlyList<ChosenToken> expected, IReadOnlyList<ChosenToken> actual, string what)
    {
        Assert.True(expected.Count == actual.Count, $"{what}: {actual.Count} tokens, not {expected.Count}");
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.True(
                expected[i].Token == actual[i].Token
                    && expected[i].LogProbability.Equals(actual[i].LogProbability)
                    && (expected[i].Top ?? []).SequenceEqual(actual[i].Top ?? []),
                $"{what}: token {i} is {actual[i]}, not {expected[i]}");
        }
    }

    private static async Task RunAsync(ModelFile file, EngineOptions options, Func<InferenceEngine, Task> run)
    {
        using var device = CpuDevice.Create(new CpuDeviceOptions { Threads = 2 });
        await using var engine = new InferenceEngine(file.Config, file.Weights, file.Fingerprint, null, device, options);
        await run(engine);
        await engine.CheckIntegrityAsync();
    }

    private static Task<Generated> AnswerAsync(InferenceEngine engine, SequenceRequest request)
    {
        SubmitResult<SequenceHandle> result = engine.Submit(request);
        Assert.True(result.Refused is null, result.Refused?.Message);
        return EngineRig.ReadAsync(result.Accepted!);
    }
}
