using ServingGrid.Client;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// The models that silos have announced lately. Like the grid's state, it can be told again at any time. One that has just begun has not
/// heard of every model: it is complete when each silo has announced its own, when one has told what an earlier catalog knew, or after
/// <see cref="LearningTime"/>. Until then nobody may conclude that a model is gone. Not thread-safe.
/// </summary>
/// <param name="silos">The silos that are active.</param>
/// <param name="time">Clock.</param>
internal sealed class ModelCatalog(Func<IEnumerable<SiloAddress>> silos, TimeProvider time)
{
    /// <summary>A model that no silo announces for so long is forgotten.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    /// <summary>By then every silo that can has announced its model.</summary>
    public static readonly TimeSpan LearningTime = TimeSpan.FromSeconds(2);

    private readonly long _start = time.GetTimestamp();
    private readonly SortedDictionary<string, (ModelCard Card, long At)> _models = new(StringComparer.Ordinal);
    private readonly HashSet<SiloAddress> _heard = [];
    private readonly TaskCompletionSource _learned = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool IsComplete => _learned.Task.IsCompleted || time.GetElapsedTime(_start) >= LearningTime;

    /// <inheritdoc cref="IModelRegistryGrain.Announce"/>
    public CatalogAnswer Announce(ModelCard model, SiloAddress silo, IReadOnlyList<ModelCard>? known)
    {
        Note(model);
        if (!IsComplete)
        {
            _heard.Add(silo);
            foreach (ModelCard other in (known ?? []).Where(other => !_models.ContainsKey(other.Name)))
            {
                Note(other);
            }

            if (known is not null || silos().All(_heard.Contains))
            {
                _learned.TrySetResult();
            }
        }

        return new CatalogAnswer(List(), IsComplete);
    }

    /// <inheritdoc cref="IModelCatalogGrain.GetModels"/>
    public async Task<IReadOnlyList<ModelCard>> GetModels()
    {
        TimeSpan left = LearningTime - time.GetElapsedTime(_start);
        if (!IsComplete && left > TimeSpan.Zero)
        {
            await Task.WhenAny(_learned.Task, Task.Delay(left, time));
        }

        return List();
    }

    /// <inheritdoc cref="IModelCatalogGrain.FindModel"/>
    public ModelCard? Find(string name)
    {
        if (_models.TryGetValue(name, out (ModelCard Card, long At) model) && IsServed(model))
        {
            return model.Card;
        }

        return IsComplete
            ? null
            : throw new GridException(GridError.Unavailable, "The catalog of models starts anew and does not know every silo yet.");
    }

    private void Note(ModelCard model)
    {
        // The oldest date stays: "created" must not change with each silo that joins.
        DateTimeOffset created = _models.TryGetValue(model.Name, out (ModelCard Card, long At) known) && known.Card.Created < model.Created
            ? known.Card.Created
            : model.Created;
        _models[model.Name] = (model with { Created = created }, time.GetTimestamp());
    }

    private ModelCard[] List() => [.. _models.Values.Where(IsServed).Select(model => model.Card)];

    private bool IsServed((ModelCard Card, long At) model) => time.GetElapsedTime(model.At) < Lease;
}
