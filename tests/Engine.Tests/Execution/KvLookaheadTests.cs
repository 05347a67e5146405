using CsCheck;
using ServingGrid.Engine.Execution;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Execution;

public sealed class KvLookaheadTests
{
    // A block of 1 MiB: the margin is 64 of them.
    private static readonly KvLayout Large = new(4, 4, 64, 256, KvType.F16);
    private static readonly KvLayout Huge = new(64, 8, 128, 256, KvType.F16);

    [Fact]
    public void Constructor_AnyCache_AnnouncesTheMargin()
    {
        Assert.Equal([64], Announced(Large, 1000));
        Assert.Equal([20], Announced(Large, 20));
        Assert.Equal([4], Announced(Huge, 1000));
        Assert.Equal([2], Announced(Huge, 2));
    }

    [Fact]
    public void Constructor_AllOfACache_AnnouncesItOnce()
    {
        Assert.Equal([1000], Announced(Large, 1000, all: true));
        var cache = new AnnouncedCache(Large, 1000);
        var lookahead = new KvLookahead(cache, all: true);
        lookahead.Note(999);
        Assert.Equal([1000], cache.Announced);
    }

    [Fact]
    public void Note_BlockByBlock_IsAlwaysAheadAndRarelySaysSo() =>
        Gen.Select(Gen.Int[1, 600], Gen.Int[0, 9].Array[0, 400]).Sample((count, steps) =>
        {
            var cache = new AnnouncedCache(Large, count);
            var lookahead = new KvLookahead(cache, all: false);
            int handedOut = 0;
            foreach (int taken in steps)
            {
                handedOut = Math.Min(handedOut + taken, count);
                lookahead.Note(handedOut);
                Assert.InRange(cache.Announced[^1], Math.Min(handedOut + 32, count), Math.Min(handedOut + 64, count));
            }

            Assert.Equal(cache.Announced.Order().Distinct(), cache.Announced);
            Assert.InRange(cache.Announced.Count, 1, 2 + handedOut / 32);
        }, seed: "0000KOIKNSXx2", iter: 300);

    [Fact]
    public async Task Step_ThatTakesBlocks_AnnouncesThoseThatFollow()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("model.gguf");
        RandomModelShape shape = RandomModelShape.Small with { Layers = 4, Heads = 8, KvHeads = 8, HeadSize = 128, ContextLength = 2048 };
        RandomModel.Write(path, new RandomModelOptions { Shape = shape });
        using ModelFile file = ModelFile.Open(path);
        using var device = new HookedDevice(CpuDevice.Create(new CpuDeviceOptions { Threads = 1 }));
        List<int> announced = [];
        device.OnExpect = announced.Add;

        // A block of 8 MiB: the margin is 8 of them.
        var options = new EngineOptions { BlockSize = 256, KvType = KvType.F32, KvBlocks = 15 };
        await using var engine = new InferenceEngine(file.Config, file.Weights, file.Fingerprint, null, device, options);
        Assert.Equal([8], announced);
        foreach (int length in (int[])[4 * 256, 200, 200, (5 * 256) + 1])
        {
            await EngineRig.ReadAsync(engine.Submit(EngineRig.Request(EngineRig.Prompt(length, length), 1)).Accepted!);
        }

        // Four blocks; a fifth, used again because nobody could find what it held; the last prompt takes that one and five more.
        // One more at the end is the engine's own.
        Assert.Equal([8, 13, 16], announced);
    }

    private static List<int> Announced(KvLayout layout, int blocks, bool all = false)
    {
        var cache = new AnnouncedCache(layout, blocks);
        _ = new KvLookahead(cache, all);
        return cache.Announced;
    }

    private sealed class AnnouncedCache(KvLayout layout, int blocks) : KvCache(layout, blocks)
    {
        public List<int> Announced { get; } = [];

        public override void Expect(int blocks) => Announced.Add(blocks);

        public override void Dispose()
        {
        }
    }
}
