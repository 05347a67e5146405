using Orleans.Concurrency;
using ServingGrid.Client;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// The <see cref="ModelCatalog"/> of the grid. Reentrant: who asks a young one waits until silos have announced their models.
/// </summary>
[Reentrant]
internal sealed class ModelCatalogGrain(ActiveSilos silos, TimeProvider time) : Grain, IModelRegistryGrain
{
    private readonly ModelCatalog _catalog = new(() => silos.All, time);

    public Task<CatalogAnswer> Announce(ModelCard model, SiloAddress silo, IReadOnlyList<ModelCard>? known) =>
        Task.FromResult(_catalog.Announce(model, silo, known));

    public Task<IReadOnlyList<ModelCard>> GetModels() => _catalog.GetModels();

    public Task<ModelCard?> FindModel(string name) => Task.FromResult(_catalog.Find(name));
}
