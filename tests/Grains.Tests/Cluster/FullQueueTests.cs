using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Cluster;

public sealed class FullQueueTests
{
    // In turn, whatever the queues: of two requests one meets the full queue first.
    private static readonly WorkerOptions Options = GridCluster.Options with { MaxSequences = 1, MaxWaiting = 1, RoutingPolicy = "round-robin" };

    [Fact]
    public async Task Generate_QueueOfOneSiloFull_ServedByTheOther()
    {
        await using GridCluster cluster = await GridCluster.Start(2, Options);
        InferenceEngine full = cluster.Engines.First();
        (Reservation running, SequenceHandle waiting) = await Fill(full);

        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(5, (await cluster.Run(GridCluster.Request(GridCluster.Prompt(20, i), 5)).WaitAsync(TimeSpan.FromMinutes(1))).Tokens.Length);
        }

        Assert.Equal(1, full.Status.Waiting);
        waiting.Cancel();
        running.Release();
        await cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_QueuesOfAllSilosFull_Overloaded()
    {
        await using GridCluster cluster = await GridCluster.Start(2, Options);
        (Reservation Running, SequenceHandle Waiting)[] all = await Task.WhenAll(cluster.Engines.Select(Fill));

        GridException refused = await Assert.ThrowsAsync<GridException>(() => cluster.Run(GridCluster.Request(GridCluster.Prompt(20), 5)).WaitAsync(TimeSpan.FromMinutes(1)));

        Assert.Equal(GridError.Overloaded, refused.Error);
        Assert.True(refused.RetryAfter > TimeSpan.Zero);
        foreach ((Reservation running, SequenceHandle waiting) in all)
        {
            waiting.Cancel();
            running.Release();
        }

        await cluster.AssertIdle();
    }

    /// <summary>The engine's one place is taken, and so is the one behind it.</summary>
    private static async Task<(Reservation Running, SequenceHandle Waiting)> Fill(InferenceEngine engine)
    {
        SequenceRequest request = new() { Id = "filler", Prompt = GridCluster.Prompt(20, 50), MaxTokens = 5 };
        Reservation running = (await engine.ReserveAsync(request, TimeSpan.FromMinutes(5))).Accepted!;
        return (running, engine.Submit(request with { Id = "waiting" }).Accepted!);
    }
}
