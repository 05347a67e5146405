using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Testing.Faults;

namespace ServingGrid.Grains.Tests.Cluster;

public sealed class ReopenedDeviceTests
{
    /// <summary>The events of the new engine's cache begin anew, and may have as many as the old one had.</summary>
    [Fact]
    public async Task View_DeviceOpenedAnew_ForgetsTheBlocksThatAreGone()
    {
        await using GridCluster cluster = await GridCluster.Start(1);
        LocalDevice device = cluster.Service<LocalDevice>(cluster.Silos[0]);
        int[] before = GridCluster.Prompt(200, 1), after = GridCluster.Prompt(200, 2);
        await cluster.Run(GridCluster.Request(before, 5));
        await Until(() => Cached(cluster, before) > 0, cluster);

        cluster.DeviceOf(cluster.Silos[0]).Fault = new Fault(FaultStage.BeginStep) { Failure = () => new DeviceException("gone") };
        InferenceEngine lost = device.Worker.Engine;
        Task<(int[] Tokens, TextUpdate End)> waiting = cluster.Run(GridCluster.Request(after, 5));
        await lost.Lost.WaitAsync(TimeSpan.FromMinutes(1));
        await device.Worker.ReopenAsync();

        Assert.Equal(5, (await waiting.WaitAsync(TimeSpan.FromMinutes(1))).Tokens.Length);
        await Until(() => Cached(cluster, after) > 0, cluster);
        Assert.Equal(0, Cached(cluster, before));
        await cluster.AssertIdle();
    }

    private static int Cached(GridCluster cluster, int[] prompt)
    {
        DeviceIdentity device = cluster.Service<LocalDevice>(cluster.Silos[0]).Identity;
        UInt128[] chain = BlockHasher.Chain(BlockHasher.Root(device.Model.Fingerprint, device.Numerics, null), prompt, device.Model.BlockSize);
        return cluster.Service<GridView>(cluster.Silos[0]).Find(GridCluster.Model)!.CachedTokens(device.Id, Array.ConvertAll(chain, hash => (ulong)hash), device.Model.BlockSize);
    }

    private static async Task Until(Func<bool> holds, GridCluster cluster)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (!holds())
        {
            Assert.False(limit.IsCancellationRequested, $"{cluster.Service<LocalDevice>(cluster.Silos[0]).Load()}");
            await Task.Delay(20, CancellationToken.None);
        }
    }
}
