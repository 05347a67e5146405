using ServingGrid.Client;

namespace ServingGrid.Grains.Grid;

/// <summary>The models that silos have announced lately. Like the grid's state, it can be told again at any time.</summary>
internal sealed class ModelCatalogGrain(TimeProvider time) : Grain, IModelRegistryGrain
{
    /// <summary>A model that no silo announces for so long is forgotten.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    private readonly SortedDictionary<string, (ModelCard Card, long At)> _models = new(StringComparer.Ordinal);

    public Task<IReadOnlyList<ModelCard>> Announce(ModelCard model)
    {
        // The oldest date stays: "created" must not change with each silo that joins.
        DateTimeOffset created = _models.TryGetValue(model.Name, out (ModelCard Card, long At) known) && known.Card.Created < model.Created
            ? known.Card.Created
            : model.Created;
        _models[model.Name] = (model with { Created = created }, time.GetTimestamp());
        return GetModels();
    }

    public Task<IReadOnlyList<ModelCard>> GetModels() => Task.FromResult<IReadOnlyList<ModelCard>>(
        [.. _models.Values.Where(model => time.GetElapsedTime(model.At) < Lease).Select(model => model.Card)]);
}
