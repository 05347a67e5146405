using ServingGrid.Client;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains.Tests.Cluster;

public sealed class GridStatusTests
{
    [Fact]
    public async Task GetStatus_RequestInFlight_ShownWithItsStageAndGoneAfterwards()
    {
        await using GridCluster cluster = await GridCluster.Start(2, index => GridCluster.Options with
        {
            Role = index == 0 ? DeviceRole.Prefill : DeviceRole.Decode,
            Disaggregation = new DisaggregationOptions { Mode = DisaggregationMode.Always },
        });

        // A silo that does not know the other yet would decide otherwise.
        await Until(cluster, status => status.Devices.Count == 2 && status.Devices.All(device => device.Details?.ViewDevices == 2));
        using CancellationTokenSource stop = new();
        Task run = RunAgainAndAgain(cluster, stop.Token);

        // A pause of this process may look like a silent prefill silo, and a prompt is computed here then: soon one is not.
        const string Remote = "servinggrid_prefill_decisions_total{place=\"remote\",reason=\"forced\"}";
        GridStatus status = await Until(
            cluster, status => Decode(status).Details is { Requests: [{ Stage: "decode" }] } details && details.Counters.TryGetValue(Remote, out long remote) && remote >= 1);
        RequestStatus request = Assert.Single(Decode(status).Details!.Requests);
        Assert.Equal(100, request.PromptTokens);
        Assert.Equal(["decode", "prefill"], status.Devices.Select(device => device.Role).Order());
        Assert.All(status.Devices, device => Assert.Equal(("serving", GridCluster.Model), (device.State, device.Model)));
        Assert.Equal(("always", "always"), (status.Devices[0].Handovers!.Mode, status.Devices[1].Handovers!.Mode));
        Assert.InRange(Decode(status).Handovers!.Remote, 1, long.MaxValue);
        Assert.Equal((2, true), (Decode(status).Details!.ViewDevices, Decode(status).Details!.ViewIsFresh));

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        await Until(cluster, status => status.Devices.All(device => device is { Running: 0, KvUsage: 0, Details.RequestCount: 0 }));
    }

    [Fact]
    public async Task GetStatus_SiloKilled_LeavesTheStatus()
    {
        await using GridCluster cluster = await GridCluster.Start(2);
        await Until(cluster, status => status.Devices.Count == 2 && status.Devices.All(device => device.Details is not null));
        await cluster.Kill(cluster.Silos[^1]);
        await Until(cluster, status => status.Devices.Count == 1);
    }

    /// <summary>One request after the other, with prompts of their own: a status is up to half a second old, and a single request may be over by then.</summary>
    private static async Task RunAgainAndAgain(GridCluster cluster, CancellationToken stop)
    {
        for (int seed = 1; ; seed++)
        {
            await cluster.Run(GridCluster.Request(GridCluster.Prompt(100, seed), 1900), stop);
        }
    }

    private static DeviceStatus Decode(GridStatus status) => status.Devices.Single(device => device.Role == "decode");

    private static async Task<GridStatus> Until(GridCluster cluster, Func<GridStatus, bool> expected)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        string last = "";
        while (true)
        {
            try
            {
                GridStatus status = await cluster.Client.GetStatusAsync(limit.Token);
                if (expected(status))
                {
                    return status;
                }

                last = status.ToString();
            }
            catch (GridException failure) when (failure.Error == GridError.Unavailable)
            {
                // The silo with the status grain may be the one that was killed.
                last = failure.Message;
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested)
            {
                Assert.Fail(last);
            }

            Assert.False(limit.IsCancellationRequested, last);
            await Task.Delay(50);
        }
    }
}
