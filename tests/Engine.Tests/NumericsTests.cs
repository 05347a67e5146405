using System.Runtime.InteropServices;
using System.Security.Cryptography;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests;

/// <summary>The name of an engine's arithmetic is as good as a hash of its results.</summary>
public sealed class NumericsTests
{
    private const string LongQuestion = "Tell me a story, a long one that has a dog, a cat and the sea in it, and nobody is sad for long.";

    /// <summary>
    /// What the classes that these tests can run compute: tokens and log-probabilities of the bundled model. Whoever changes a result
    /// raises the version of the kernels (CpuDevice, IlgpuDevice) or of the engine (EngineNumerics) and records the new class here.
    /// </summary>
    private static readonly Dictionary<string, string> Recorded = new()
    {
        ["cpu-v1-77a2a87b-e1-f16-b32"] = "5a836c81696488b2",
        ["cpu-v1-77a2a87b-e1-q8-b32"] = "c570ad3918211b6d",
        ["ilgpu-cpu-v1-7c914822-e1-f16-b32"] = "e261fd9b3080b81f",
    };

    [Theory]
    [InlineData("cpu", KvType.F16, 40)]
    [InlineData("cpu", KvType.Q8, 40)]
    [InlineData("ilgpu-cpu", KvType.F16, 3)]
    public async Task Numerics_EveryClass_ComputesWhatWasRecordedForIt(string device, KvType kv, int tokens)
    {
        (string numerics, string digest) = await RunAsync(device, kv, 32, tokens);
        string host = numerics.Split('-')[^4];
        Assert.SkipUnless(
            Recorded.Keys.Any(name => name.Contains(host)),
            $"nothing is recorded for {host} ({digest}): another C library or processor");
        Assert.True(Recorded.TryGetValue(numerics, out string? expected), $"Nothing is recorded for {numerics}; its digest is {digest}.");
        Assert.True(expected == digest, $"{numerics} computes {digest}, not {expected}: other arithmetic needs another version.");
    }

    /// <summary>The processor's kernels raise the maxima of attention block by block.</summary>
    [Fact]
    public async Task Numerics_OtherCacheTypeOrBlockSize_OtherClassAndOtherBits()
    {
        List<(string Numerics, string Digest)> runs = [];
        foreach ((KvType kv, int blockSize) in ((KvType, int)[])[(KvType.F16, 32), (KvType.F16, 16), (KvType.Q8, 32), (KvType.F32, 32)])
        {
            runs.Add(await RunAsync("cpu", kv, blockSize, 8, LongQuestion));
        }

        Assert.Equal(runs.Count, runs.Select(run => run.Numerics).Distinct().Count());
        Assert.Equal(runs.Count, runs.Select(run => run.Digest).Distinct().Count());
    }

    private static async Task<(string Numerics, string Digest)> RunAsync(
        string name, KvType kv, int blockSize, int tokens, string question = "Tell me a story.")
    {
        using ModelFile model = ModelFile.Open(ModelFiles.Bundled);
        Tokenizer tokenizer = TokenizerFactory.Create(model.Metadata);
        using Device device = DeviceCatalog.Open(name, new CpuDeviceOptions { Threads = 1 });
        var options = new EngineOptions
        {
            KvType = kv,
            BlockSize = blockSize,
            KvBlocks = 32,
            MaxBatchTokens = 64,
            MaxSequences = 4,
            ContextLength = 256,
        };
        await using var engine = new InferenceEngine(model.Config, model.Weights, model.Fingerprint, tokenizer, device, options);
        string text = $"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n";
        int[] prompt = tokenizer.Encode(text, addSpecial: true, parseSpecial: true);
        var results = new List<float>();
        SamplingParameters drawn = new() { Temperature = 0.9f, TopP = 0.95f, Seed = 7 };
        foreach (SamplingParameters sampling in (SamplingParameters[])[SamplingParameters.Greedy, drawn])
        {
            SequenceRequest request = EngineRig.Request(prompt, tokens, sampling with { LogProbabilities = 5 }) with { IgnoreEos = true };
            SubmitResult<SequenceHandle> result = engine.Submit(request);
            Assert.True(result.Refused is null, result.Refused?.Message);
            foreach (ChosenToken choice in (await EngineRig.ReadAsync(result.Accepted!)).Choices)
            {
                results.AddRange([choice.Token, choice.LogProbability!.Value, .. choice.Top!.Select(top => top.LogProbability)]);
            }
        }

        byte[] hash = SHA256.HashData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(results)));
        return (engine.Numerics, Convert.ToHexStringLower(hash.AsSpan(0, 8)));
    }
}
