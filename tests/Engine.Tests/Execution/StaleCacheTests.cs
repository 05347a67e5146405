using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Execution;

/// <summary>
/// What a block held before it was handed out has no influence, even where it is NaN: a sequence that was spoiled harms nobody by what it
/// leaves.
/// </summary>
public sealed class StaleCacheTests
{
    [Theory]
    [InlineData("cpu", KvType.F16)]
    [InlineData("cpu", KvType.F32)]
    [InlineData("cpu", KvType.Q8)]
    [InlineData("ilgpu-cpu", KvType.F16)]
    [InlineData("ilgpu-cpu", KvType.F32)]
    public async Task Engine_CacheFullOfNaN_GivesTheSameBits(string id, KvType type)
    {
        List<(int, float?)> clean = await AnswersAsync(id, type, spoiled: false);
        List<(int, float?)> spoiled = await AnswersAsync(id, type, spoiled: true);
        Assert.Equal(clean, spoiled);
    }

    [Theory]
    [InlineData("cpu", KvType.F16)]
    [InlineData("cpu", KvType.F32)]
    [InlineData("cpu", KvType.Q8)]
    [InlineData("ilgpu-cpu", KvType.F16)]
    [InlineData("ilgpu-cpu", KvType.F32)]
    public async Task Engine_KeysInUseAreSpoiled_IsNoticed(string id, KvType type)
    {
        // Of a device that takes NaN for a number somewhere between the keys and the logits, nobody would ever know.
        using var device = new HookedDevice(DeviceCatalog.Open(id, new CpuDeviceOptions { Threads = 1 }));
        var marked = new MarkedSequences();
        device.OnAppended = (batch, cache, layer) =>
        {
            if (layer == 0 && marked.IsIn(batch))
            {
                device.SpoilBlock(cache, 0, batch.Blocks[batch.Sequences[0].FirstBlock]);
            }
        };
        using ModelFile file = Open();
        await using InferenceEngine engine = Start(file, device, type);
        EngineException e = await Assert.ThrowsAsync<EngineException>(
            () => EngineRig.ReadAsync(engine.Submit(EngineRig.Request(MarkedSequences.Prompt(40, 1), 4)).Accepted!));
        Assert.Equal(EngineFailure.InvalidOutput, e.Failure);
        Assert.Equal(0, engine.Status.CachedBlocks);
    }

    private static ModelFile Open() => ModelFile.Open(RepositoryRoot.Combine("tests", "Golden", "models", "llama-Q4_1.gguf"));

    private static InferenceEngine Start(ModelFile file, Device device, KvType type) => new(
        file.Config, file.Weights, file.Fingerprint, null, device,
            new EngineOptions { KvType = type, KvBlocks = 12, MaxBatchTokens = 48, MaxSequences = 4 });

    private static async Task<List<(int Token, float? LogProbability)>> AnswersAsync(string id, KvType type, bool spoiled)
    {
        using var device = new HookedDevice(DeviceCatalog.Open(id, new CpuDeviceOptions { Threads = 1 }));
        using ModelFile file = Open();
        await using InferenceEngine engine = Start(file, device, type);
        if (spoiled)
        {
            for (int block = 0; block < device.Cache!.BlockCount; block++)
            {
                for (int layer = 0; layer < device.Cache.Layout.Layers; layer++)
                {
                    device.SpoilBlock(device.Cache, layer, block);
                }
            }
        }

        SequenceHandle[] handles = [.. ((int[])[1, 30, 33, 70]).Select(length => engine.Submit(
            EngineRig.Request(EngineRig.Prompt(length, length), 8, SamplingParameters.Greedy with { LogProbabilities = 0 })).Accepted!)];
        Generated[] results = await Task.WhenAll(handles.Select(EngineRig.ReadAsync));
        return [.. results.SelectMany(result => result.Choices).Select(choice => (choice.Token, choice.LogProbability))];
    }
}
