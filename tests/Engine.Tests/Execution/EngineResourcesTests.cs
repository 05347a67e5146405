using ServingGrid.Engine.Execution;
using ServingGrid.Engine.Tests.Support;
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
        using var resources = new EngineResources(
            device, TinyTransformer.Config with { ContextLength = 1 << 20 }, TinyTransformer.Weights(), EngineRig.SmallOptions with { KvBlocks = blocks, ContextLength = contextLength });
        Assert.Equal((expected, expected), (resources.ContextLength, device.RopePositions));
    }
}
