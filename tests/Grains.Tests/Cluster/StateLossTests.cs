using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>What the grid is told again when its state or its catalog begins anew.</summary>
public sealed class StateLossTests
{
    [Fact]
    public async Task Exchange_NewcomerOfAnotherKindFirstAtANewState_RefusedAndTheSilosStay()
    {
        await using GridCluster cluster = await GridCluster.Start(3);
        string[] devices = [.. cluster.Silos.Select(silo => cluster.Service<LocalDevice>(silo).Identity.Id).Order(StringComparer.Ordinal)];
        IGridStateGrain state = cluster.Grains.GetGrain<IGridStateGrain>(GridCluster.Model);
        LocalDevice other = cluster.Service<LocalDevice>(cluster.Silos[0]);
        DeviceReport newcomer = new() { Device = other.Identity with { Id = "newcomer/cpu", KvType = KvType.F32 }, Load = other.Load() };
        for (int round = 0; round < 3; round++)
        {
            Guid before = (await state.Exchange(null, Guid.Empty, 0)).Epoch;
            await GridCluster.Forget(state);
            GridUpdate update;
            using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
            do
            {
                // In a restart loop: always the first, as long as nobody else reports.
                update = await state.Exchange(newcomer, Guid.Empty, 0);
                Assert.DoesNotContain(update.Devices, entry => entry.Device.Id == newcomer.Device.Id);
                Assert.False(limit.IsCancellationRequested);
            }
            while (update.Epoch == before || update.Refused is null || update.Devices.Length < devices.Length);

            Assert.Contains("KV type", update.Refused, StringComparison.Ordinal);
            Assert.Equal(devices, update.Devices.Select(entry => entry.Device.Id).Order(StringComparer.Ordinal));
        }

        Assert.Equal(4, (await cluster.Run(GridCluster.Request(GridCluster.Prompt(10), 4))).Tokens.Length);
    }

    [Fact]
    public async Task GetModels_CatalogBeginsAnew_NeverLessThanAllModels()
    {
        string[] names = ["one", "three", "two"];
        await using GridCluster cluster = await GridCluster.Start(3, index => GridCluster.Options with { ModelName = names[index] });
        IModelCatalogGrain catalog = cluster.Grains.GetGrain<IModelCatalogGrain>(IModelCatalogGrain.Key);
        for (int round = 0; round < 3; round++)
        {
            await GridCluster.Forget(catalog);
            for (int i = 0; i < 30; i++)
            {
                Assert.Equal(names, (await cluster.Client.GetModelsAsync()).Select(model => model.Name));
                Assert.All(
                    cluster.Silos, silo => Assert.Equal(names, cluster.Service<GridView>(silo).Models.Order(StringComparer.Ordinal)));
                await Task.Delay(50);
            }
        }
    }
}
