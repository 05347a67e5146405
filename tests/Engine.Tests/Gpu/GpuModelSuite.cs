using ServingGrid.Engine.Tests.Golden;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Engine.Tests.Gpu;

/// <summary>
/// Whole models on a device with the GPU's kernels, through the forward pass and through the engine: sealed once for each kind of device.
/// </summary>
public abstract class GpuModelSuite(ITestOutputHelper output)
{
    // Nats between the two most likely tokens. The devices round differently (cpu quantises activations to eight bits, GPUs do not),
    // so that only a choice with a margin must be the same; this prompt's answer has it at every token.
    private const float Margin = 0.5f;

    // Of a whole row of logits, in F32 throughout: the orders of sums differ, nothing else does.
    private const double LogitsTolerance = 1e-4;

    /// <summary>Opens it; a suite whose device is absent here skips with the reason.</summary>
    protected abstract Device Open();

    /// <summary>Slow devices (a GPU's kernels interpreted on a CPU) take fewer and shorter cases.</summary>
    protected abstract bool SmallOnly { get; }

    public static TheoryData<string, GgmlType> RandomModels =>
    [
        .. Enum.GetValues<GgmlType>().Select(type => new TheoryDataRow<string, GgmlType>("llama", type)),
        new("qwen2", GgmlType.Q4_0),
        new("qwen3", GgmlType.Q4_K),
    ];

    [Fact]
    public async Task GreedyAnswer_OnTheGpuKernelsAndOnTheProcessor_SameTokens()
    {
        const string Question = "What is the capital of France?";
        using Device device = Open();
        using ModelFile model = ModelFile.Open(ModelFiles.Bundled);
        Tokenizer tokenizer = TokenizerFactory.Create(model.Metadata);
        string text = $"<|im_start|>user\n{Question}<|im_end|>\n<|im_start|>assistant\n";
        int[] prompt = tokenizer.Encode(text, addSpecial: true, parseSpecial: true);
        using Device processor = DeviceCatalog.Open(DeviceCatalog.Cpu, new CpuDeviceOptions { Threads = 1 });
        Generated expected = await AnswerAsync(processor, model, tokenizer, prompt);
        Assert.True(expected.Tokens.Length >= 3, $"too short an answer to compare: {expected.Tokens.Length} tokens");
        Assert.All(expected.Choices, choice =>
        {
            float margin = choice.Top![0].LogProbability - choice.Top[1].LogProbability;
            string second = tokenizer.TokenPiece(choice.Top[1].Token);
            Assert.True(margin > Margin, $"the prompt does not suit the test: {margin} nats before \"{second}\"");
        });

        Generated actual = await AnswerAsync(device, model, tokenizer, prompt);
        Assert.Equal(expected.Tokens, actual.Tokens);
        Assert.Equal(expected.End.Cause, actual.End.Cause);
    }

    /// <summary>Against llama.cpp's numbers, in F32 on dequantised weights: what these kernels compute as well.</summary>
    [Theory]
    [InlineData(KvType.F32, 5e-3)]
    [InlineData(KvType.F16, ExactLogitsTests.RoundingOfF16)]
    public void Forward_BundledModel_EqualsLlamaCpp(KvType kv, double tolerance)
    {
        GoldenLogits golden = GoldenFolder.Repository.ExactLogits(Path.GetFileNameWithoutExtension(ModelFiles.Bundled));
        using Device device = Open();
        using var model = new GoldenModel(ModelFiles.Bundled, golden, device, kv);
        var comparison = new GoldenComparison();
        int cases = SmallOnly ? 1 : golden.Cases.Count;
        foreach (GoldenCase one in golden.Cases.OrderBy(one => one.Tokens.Length + one.Greedy.Length).Take(cases))
        {
            comparison.Run(model, one, promptsOnly: false);
        }

        output.WriteLine($"{kv}: largest difference {comparison.Largest:G3} of {tolerance}");
        Assert.All(comparison.Departures, departure => Assert.True(kv == KvType.F16 && departure.Margin <= 2 * tolerance, departure.Where));
        Assert.True(comparison.Largest <= tolerance, $"{comparison.Largest} is above {tolerance}");
    }

    /// <summary>Every architecture and every tensor type: a prompt in two chunks, then single tokens.</summary>
    [Theory]
    [MemberData(nameof(RandomModels))]
    public void Forward_RandomModel_EqualsTheReference(string architecture, GgmlType type)
    {
        using Device device = Open();
        using var folder = new TemporaryFolder();
        using ModelFile file = Write(folder, architecture, type);
        using var reference = new ReferenceDevice();
        using var expected = new SequenceRig(reference, file, KvType.F32);
        using var actual = new SequenceRig(device, file, KvType.F32);
        int first = 0;
        foreach (int rows in SmallOnly ? (int[])[3, 1] : [40, 9, 1, 1, 1])
        {
            double error = RelativeError(expected.Feed(rows), actual.Feed(rows));
            Assert.True(error <= LogitsTolerance, $"{rows} tokens from {first}: relative error {error:E2} exceeds {LogitsTolerance:E0}");
            first += rows;
        }
    }

    /// <summary>Keys and values that this device computed serve another one: a prompt is handed over from kind to kind.</summary>
    [Fact]
    public void Gather_PromptOfThisDevice_GoesOnOnTheReference()
    {
        using Device device = Open();
        using var folder = new TemporaryFolder();
        using ModelFile file = Write(folder, "llama", GgmlType.Q8_0);
        using var reference = new ReferenceDevice();
        using var here = new SequenceRig(device, file, KvType.F16);
        using var there = new SequenceRig(reference, file, KvType.F16);
        here.Feed(SmallOnly ? 3 : 70);
        here.SendTo(there);
        double error = RelativeError(there.Feed(1), here.Feed(1));

        // Keys of the new token alone are rounded to F16 from two sums.
        Assert.True(error <= 1e-3, $"relative error {error:E2}");
    }

    /// <summary>Tokens and log-probabilities are the same bits alone, in a crowd, in chunks of any size and after preemption.</summary>
    [Fact]
    public async Task Submit_TogetherChunkedAndPreempted_SameBitsAsAlone()
    {
        int count = SmallOnly ? 2 : 32;
        using Device device = Open();
        using var folder = new TemporaryFolder();
        using ModelFile file = Write(folder, "llama", GgmlType.Q4_K);
        SequenceRequest[] requests = [.. Enumerable.Range(0, count).Select(i => Request(file.Config.VocabularySize, i))];
        var roomy = new EngineOptions
        {
            BlockSize = 8,
            KvBlocks = 256,
            MaxBatchTokens = 512,
            MaxPrefillTokensWhileDecoding = 512,
            MaxSequences = 32,
            PrefixCache = false,
        };
        Generated[] alone = [];
        await RunAsync(device, file, roomy, async engine =>
        {
            foreach (SequenceRequest request in requests)
            {
                alone = [.. alone, await engine.AnswerAsync(request)];
            }
        });

        await AssertSameAsync(roomy with { MaxBatchTokens = 32 + 7, MaxPrefillTokensWhileDecoding = 5 }, preempts: false);

        // Some find no room to grow and are computed anew.
        await AssertSameAsync(roomy with { KvBlocks = SmallOnly ? 3 : 16 }, preempts: true);

        Task AssertSameAsync(EngineOptions options, bool preempts) => RunAsync(device, file, options, async engine =>
        {
            Generated[] together = await Task.WhenAll(requests.Select(engine.AnswerAsync));
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(alone[i].Tokens, together[i].Tokens);
                Assert.Equal(LogProbabilities(alone[i]), LogProbabilities(together[i]));
            }

            Assert.Equal(preempts, engine.Status.Preemptions > 0);
        });
    }

    // At a temperature that makes every bit of the logits count, sometimes by the candidates alone. On slow devices two sequences of 13 and
    // 17 tokens.
    private SequenceRequest Request(int vocabularySize, int i)
    {
        var random = new Random(i);
        int[] prompt = [.. Enumerable.Range(0, SmallOnly ? 4 * (i + 1) : 1 + (i * 17 % 70)).Select(_ => random.Next(vocabularySize))];
        var sampling = new SamplingParameters { Temperature = 1.5f, TopK = i % 2 == 0 ? 40 : 0, LogProbabilities = 5, Seed = (ulong)i };
        return EngineRig.Request(prompt, SmallOnly ? 9 : 10 + i, sampling);
    }

    private static IEnumerable<float?> LogProbabilities(Generated generated) => generated.Choices.Select(choice => choice.LogProbability);

    private static async Task RunAsync(Device device, ModelFile file, EngineOptions options, Func<RunningEngine, Task> run)
    {
        await using var engine = new InferenceEngine(file.Config, file.Weights, file.Fingerprint, null, device, options);
        await run(new RunningEngine(engine));
        await engine.CheckIntegrityAsync();
    }

    private static async Task<Generated> AnswerAsync(Device device, ModelFile model, Tokenizer tokenizer, int[] prompt)
    {
        var options = new EngineOptions { KvBlocks = 8, MaxBatchTokens = 64, MaxSequences = 4, ContextLength = 128 };
        await using var engine = new InferenceEngine(model.Config, model.Weights, model.Fingerprint, tokenizer, device, options);
        SequenceRequest request = EngineRig.Request(prompt, 8, SamplingParameters.Greedy with { LogProbabilities = 2 });
        return await new RunningEngine(engine).AnswerAsync(request);
    }

    private static ModelFile Write(TemporaryFolder folder, string architecture, GgmlType type)
    {
        string path = folder.Combine("model.gguf");
        RandomModel.Write(path, new RandomModelOptions { Shape = RandomModelShape.Small, Architecture = architecture, GgmlType = type });
        return ModelFile.Open(path);
    }

    private static double RelativeError(float[] expected, float[] actual)
    {
        double error = 0, norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            error += Math.Pow((double)actual[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
        }

        return Math.Sqrt(error / norm);
    }

    /// <summary>An engine that answers.</summary>
    private sealed class RunningEngine(InferenceEngine engine)
    {
        public EngineStatus Status => engine.Status;

        public Task<Generated> AnswerAsync(SequenceRequest request)
        {
            SubmitResult<SequenceHandle> result = engine.Submit(request);
            Assert.True(result.Refused is null, result.Refused?.Message);
            return EngineRig.ReadAsync(result.Accepted!);
        }
    }
}
