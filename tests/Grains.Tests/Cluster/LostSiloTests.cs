using Orleans.TestingHost;
using ServingGrid.Client;

namespace ServingGrid.Grains.Tests.Cluster;

public sealed class LostSiloTests
{
    [Fact]
    public async Task Generate_SiloKilledUnderStreams_EveryStreamGoesOnWithTheSameTokens()
    {
        const int Streams = 6;
        const int Tokens = 1900; // seconds of work, so that the silo is killed under it
        await using GridCluster cluster = await GridCluster.Start(2);
        GenerateRequest[] requests = [.. Enumerable.Range(0, Streams).Select(i => GridCluster.Request(GridCluster.Prompt(40, 100 + i), Tokens) with
        {
            Sampling = new SamplingOptions { Temperature = 0.8f, Seed = i },
        })];
        int[][] undisturbed = await Task.WhenAll(requests.Select(async request => (await cluster.Run(request)).Tokens));
        int[] counts = new int[Streams];
        Task<int[]>[] disturbed = [.. requests.Select((request, i) => Count(cluster, request, counts, i))];
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (counts.Any(count => count < 5))
        {
            await Task.Delay(5, limit.Token);
        }

        InProcessSiloHandle victim = cluster.Silos.First(silo => cluster.EngineOf(silo).Status.Running > 0);
        await cluster.Kill(victim);
        int[][] tokens = await Task.WhenAll(disturbed).WaitAsync(TimeSpan.FromMinutes(2));

        for (int i = 0; i < Streams; i++)
        {
            Assert.Equal(undisturbed[i], tokens[i]);
        }

        await cluster.AssertIdle();
    }

    [Fact]
    public async Task FindDead_SiloKilled_FoundByTheOthersAndNobodyElseIs()
    {
        await using GridCluster cluster = await GridCluster.Start(2);
        SiloAddress unheard = SiloAddress.New(System.Net.IPAddress.Loopback, 65_000, int.MaxValue);
        SiloAddress[] silos = [.. cluster.Silos.Select(silo => silo.SiloAddress), unheard];
        IGridHealthGrain health = cluster.Grains.GetGrain<IGridHealthGrain>(IGridHealthGrain.Key);
        Assert.Empty(await health.FindDead(silos));

        await cluster.Kill(cluster.Silos[1]);
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        SiloAddress[] dead = [];
        while (dead.Length == 0)
        {
            limit.Token.ThrowIfCancellationRequested();
            try
            {
                dead = await health.FindDead(silos).WaitAsync(TimeSpan.FromSeconds(5));
            }
            catch (Exception failure) when (failure is OrleansException or TimeoutException)
            {
                // The call may have gone to the one that is no more.
            }

            await Task.Delay(50, CancellationToken.None);
        }

        Assert.Equal([silos[1]], dead);
    }

    private static async Task<int[]> Count(GridCluster cluster, GenerateRequest request, int[] counts, int index)
    {
        List<int> tokens = [];
        await foreach (TextUpdate update in cluster.Client.GenerateAsync(request))
        {
            tokens.AddRange(update.Tokens.Select(token => token.Token));
            counts[index] = tokens.Count;
        }

        return [.. tokens];
    }
}
