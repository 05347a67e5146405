using ServingGrid.Engine.Execution;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Execution;

public sealed class EngineResourcesTests
{
    [Theory]
    [InlineData(64, null, 512)]
    [InlineData(1 << 17, null, 1 << 20)]
    [InlineData(64, 100, 100)]
    public void Constructor_FileOfALongContext_PreparesRopeForWhatTheCacheHolds(int blocks, int? contextLength, int expected)
    {
        using var device = new HookedDevice();
        EngineOptions options = EngineRig.SmallOptions with { KvBlocks = blocks, ContextLength = contextLength };
        ModelConfig config = TinyTransformer.Config with { ContextLength = 1 << 20 };
        using var resources = new EngineResources(device, config, TinyTransformer.Weights(), options);
        Assert.Equal((expected, expected), (resources.ContextLength, device.RopePositions));
    }

    [Theory]
    [InlineData(3, 0)]
    [InlineData(10, 0)]
    [InlineData(10, 1)]
    [InlineData(10, -1)]
    public void Constructor_BytesForTheCache_TakesNoMore(int fitting, int more)
    {
        using var device = new HookedDevice();
        long block = Block(EngineRig.SmallOptions);
        long bytes = (fitting * block) + more;
        EngineOptions options = EngineRig.SmallOptions with { KvBlocks = null, KvMemoryBytes = bytes };
        using var resources = new EngineResources(device, TinyTransformer.Config, TinyTransformer.Weights(), options);
        int expected = (int)(bytes / block);
        Assert.Equal((expected, expected - 1, expected - 1), (device.Cache!.BlockCount, resources.BlockCount, resources.ProbeBlock));
    }

    [Fact]
    public void Constructor_BytesForTooFewBlocks_SaysHowManyAreNeeded()
    {
        using var device = new HookedDevice();
        EngineOptions options = EngineRig.SmallOptions with { KvBlocks = null, KvMemoryBytes = (3 * Block(EngineRig.SmallOptions)) - 1 };
        ArgumentException e = Assert.Throws<ArgumentException>(
            () => new EngineResources(device, TinyTransformer.Config, TinyTransformer.Weights(), options));
        Assert.Contains("hold 2 KV blocks", e.Message);
        Assert.Contains("at least 3 are needed", e.Message);
    }

    [Fact]
    public void Constructor_CountOfBlocks_IsWhatSequencesGet()
    {
        using var device = new HookedDevice();
        EngineOptions options = EngineRig.SmallOptions with { KvBlocks = 2 };
        using var resources = new EngineResources(device, TinyTransformer.Config, TinyTransformer.Weights(), options);
        Assert.Equal((2, 3), (resources.BlockCount, device.Cache!.BlockCount));
    }

    private static long Block(EngineOptions options)
    {
        ModelConfig config = TinyTransformer.Config;
        return new KvLayout(config.Layers, config.KvHeads, config.HeadSize, options.BlockSize, options.KvType).BlockBytesAllLayers;
    }
}
