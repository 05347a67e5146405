using ServingGrid.Client;

namespace ServingGrid.Grains.Grid;

/// <summary>Collects what the devices of a model report and hands out what changed. Key: the model's name.</summary>
public interface IGridStateGrain : IGrainWithStringKey
{
    /// <param name="report">The caller's own device, or null when it only listens.</param>
    /// <param name="epoch">From the last answer; empty at first.</param>
    /// <param name="version">From the last answer; 0 at first.</param>
    Task<GridUpdate> Exchange(DeviceReport? report, Guid epoch, long version);

    /// <summary>The devices of the model.</summary>
    Task<DeviceEntry[]> GetDevices();

    /// <summary>The device leaves in good order.</summary>
    Task Leave(string deviceId);
}

/// <summary>The side of the catalog that silos write to.</summary>
public interface IModelRegistryGrain : IModelCatalogGrain
{
    /// <summary>The model is served somewhere; forgotten unless said again within <see cref="ModelCatalogGrain.Lease"/>.</summary>
    Task<IReadOnlyList<ModelCard>> Announce(ModelCard model);
}
