using ServingGrid.Client;

namespace ServingGrid.Grains.Grid;

/// <summary>Collects what the devices of a model report and hands out what changed. Key: the model's name.</summary>
public interface IGridStateGrain : IGrainWithStringKey
{
    /// <summary>
    /// A report is worth nothing later: who does not get an answer by then asks anew, and no calls pile up at a silo that is frozen.
    /// </summary>
    const string ReportTimeout = "00:00:02";

    /// <param name="report">The caller's own device, or null when it only listens.</param>
    /// <param name="epoch">From the last answer; empty at first.</param>
    /// <param name="version">From the last answer; 0 at first.</param>
    [ResponseTimeout(ReportTimeout)]
    Task<GridUpdate> Exchange(DeviceReport? report, Guid epoch, long version);

    /// <summary>The devices of the model.</summary>
    Task<DeviceEntry[]> GetDevices();

    /// <summary>The device leaves in good order.</summary>
    [ResponseTimeout(ReportTimeout)]
    Task Leave(string deviceId);
}

/// <summary>The side of the catalog that silos write to.</summary>
public interface IModelRegistryGrain : IModelCatalogGrain
{
    /// <summary>The model is served somewhere; forgotten unless said again within <see cref="ModelCatalog.Lease"/>.</summary>
    /// <param name="model">The caller's.</param>
    /// <param name="silo">The caller.</param>
    /// <param name="known">What the caller knows from a complete answer, for a catalog that said that it has none; otherwise null.</param>
    [ResponseTimeout(IGridStateGrain.ReportTimeout)]
    Task<CatalogAnswer> Announce(ModelCard model, SiloAddress silo, IReadOnlyList<ModelCard>? known);
}

/// <summary>The models of the grid, as the catalog knows them.</summary>
/// <param name="Models">By name.</param>
/// <param name="IsComplete">False while the catalog is so young that it may not have heard of every model.</param>
[GenerateSerializer, Immutable]
public sealed record CatalogAnswer([property: Id(0)] IReadOnlyList<ModelCard> Models, [property: Id(1)] bool IsComplete);
