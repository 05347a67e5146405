using ServingGrid.Engine;
using ServingGrid.Grains.Tests.Cluster;
using ServingGrid.Grains.Workers;
using ServingGrid.Testing;

namespace ServingGrid.Grains.Tests.Workers;

public sealed class WarmUpWatchTests
{
    [Fact]
    public async Task Run_WarmUpFails_SaysSo()
    {
        using RecordedLog log = new();

        await WarmUpWatch.Run(Task.FromException<bool>(new EngineException(EngineFailure.InvalidOutput, "it is not a number")), "silo/cpu", log);

        Assert.Equal("Error: The warm-up of silo/cpu failed: it is not a number", Assert.Single(log.Lines));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Run_WarmUpEndsOrGivesWay_SaysNothing(bool ended)
    {
        using RecordedLog log = new();

        await WarmUpWatch.Run(Task.FromResult(ended), "silo/cpu", log);

        Assert.Empty(log.Lines);
    }

    [Fact]
    public async Task Open_Worker_WarmsUpAndIsIdle()
    {
        await using Worker worker = Worker.Open(GridCluster.Options);

        Assert.True(await worker.WarmUp);

        EngineStatus status = worker.Engine.Status;
        Assert.Equal((0, 0, status.TotalBlocks), (status.Steps, status.Finished, status.FreeBlocks));
        Assert.Equal(0, worker.Engine.ReadCacheEvents(0).LastId);
    }
}
