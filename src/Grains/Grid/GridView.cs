using System.Collections.Concurrent;
using ServingGrid.Client;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// What this silo knows of the whole grid, one <see cref="ModelView"/> for each model. Directors and routers read it without
/// any call; <see cref="GridReporter"/> keeps it fresh. Thread-safe.
/// </summary>
public sealed class GridView(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, ModelView> _models = new(StringComparer.Ordinal);

    /// <summary>The models known.</summary>
    public ICollection<string> Models => _models.Keys;

    /// <summary>The view of a model, or null when nothing is known of it.</summary>
    public ModelView? Find(string model) => _models.GetValueOrDefault(model);

    /// <summary>The view of a model that the grid has.</summary>
    public ModelView Get(string model) => _models.GetOrAdd(model, name => new ModelView(name, time));

    /// <summary>The models that have devices, by name.</summary>
    internal IReadOnlyList<ModelCard> Cards =>
    [
        .. _models.Values.Select(model => model.Devices.FirstOrDefault()?.Identity.Model).OfType<ModelCard>()
            .OrderBy(card => card.Name, StringComparer.Ordinal),
    ];

    /// <summary>A device by its id, whatever it serves.</summary>
    public DeviceView? FindDevice(string deviceId) =>
        _models.Values.SelectMany(model => model.Devices).FirstOrDefault(device => device.Identity.Id == deviceId);

    /// <summary>
    /// Takes the grid's catalog: makes room for models that are new, and forgets those that are not in it, if it is complete and nothing
    /// else says that they are there.
    /// </summary>
    internal void TakeCatalog(IReadOnlySet<string> models, bool isComplete)
    {
        foreach (string model in models)
        {
            Get(model);
        }

        foreach ((string model, ModelView known) in _models)
        {
            if (isComplete && !models.Contains(model) && !(known.IsFresh && known.Devices.Count > 0))
            {
                _models.TryRemove(model, out _);
            }
        }
    }
}
