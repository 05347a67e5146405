using ServingGrid.Client;

namespace ServingGrid.Grains.Grid;

/// <summary>The models that silos have announced lately. Like the grid's state, it can be told again at any time.</summary>
internal sealed class ModelCatalogGrain(TimeProvider time) : Grain, IModelRegistryGrain
{
    /// <summary>A model that no silo announces for so long is forgotten.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    /// <summary>By then every silo has announced its model, also to a catalog that starts anew because its silo was lost.</summary>
    public static readonly TimeSpan LearningTime = TimeSpan.FromSeconds(2);

    private readonly long _start = time.GetTimestamp();
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
        [.. _models.Values.Where(IsServed).Select(model => model.Card)]);

    public Task<ModelCard?> FindModel(string name)
    {
        if (_models.TryGetValue(name, out (ModelCard Card, long At) model) && IsServed(model))
        {
            return Task.FromResult<ModelCard?>(model.Card);
        }

        return time.GetElapsedTime(_start) < LearningTime
            ? throw new GridException(GridError.Unavailable, "The catalog of models starts anew and does not know every silo yet.")
            : Task.FromResult<ModelCard?>(null);
    }

    private bool IsServed((ModelCard Card, long At) model) => time.GetElapsedTime(model.At) < Lease;
}
