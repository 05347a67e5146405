using ServingGrid.Engine.Execution;
using ServingGrid.Engine.Tests.Support;
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
}
