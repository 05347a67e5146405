using ServingGrid.Client;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// Every second: announces this silo's model to the catalog, as long as the grid takes its device for one that serves it, and learns which
/// others there are. Follows each of these in a loop of its own,
/// so that a model whose state does not answer delays no other. <see cref="Run"/> has one caller.
/// </summary>
internal sealed class CatalogWatch(
    IGrainFactory grains, GridExchange exchange, LocalDevice device, GridView view, TimeProvider time, ILogger<CatalogWatch> log)
{
    /// <summary>Time between two announcements.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly Dictionary<ModelView, (CancellationTokenSource Stop, Task Run)> _followed = [];
    private IReadOnlyList<ModelCard>? _known;

    /// <summary>Models other than this silo's that are asked for.</summary>
    internal int Followed => _followed.Count;

    /// <summary>One announcement; a failure is told and left to the next one.</summary>
    public Task TryAnnounce(CancellationToken cancellation) => Announcements().Try(cancellation);

    /// <summary>Until cancelled; returns when nothing of it runs any more.</summary>
    public async Task Run(CancellationToken cancellation)
    {
        GridLoop models = new("The view of the grid", GridReporter.Period, Follow, time, log);
        await Task.WhenAll(Announcements().Run(cancellation), models.Run(cancellation));
        await Task.WhenAll(_followed.Keys.ToList().Select(Leave));
    }

    private GridLoop Announcements() => new("The catalog of models", Period, Announce, time, log);

    private async Task Announce(CancellationToken cancellation)
    {
        IModelRegistryGrain catalog = grains.GetGrain<IModelRegistryGrain>(IModelCatalogGrain.Key);
        if (!device.IsAdmitted)
        {
            // Its file may be another than the one that is served under the name.
            _known = await catalog.GetModels().WaitAsync(GridExchange.CallTimeout, time, cancellation);
            view.TakeCatalog(_known.Select(model => model.Name).ToHashSet(), isComplete: true);
            return;
        }

        CatalogAnswer answer = await Tell(null);
        if (!answer.IsComplete && _known is not null)
        {
            // It has begun anew, and knows less than this silo.
            answer = await Tell(_known);
        }

        _known = answer.IsComplete ? answer.Models : _known;
        view.TakeCatalog(answer.Models.Select(model => model.Name).ToHashSet(), answer.IsComplete);

        Task<CatalogAnswer> Tell(IReadOnlyList<ModelCard>? known) =>
            catalog.Announce(device.Identity.Model, device.Identity.Silo, known).WaitAsync(GridExchange.CallTimeout, time, cancellation);
    }

    /// <summary>A loop for each model of the view, but for this silo's own.</summary>
    private async Task Follow(CancellationToken cancellation)
    {
        List<ModelView> others = [.. view.Models.Where(model => model != device.Identity.Model.Name).Select(view.Find).OfType<ModelView>()];
        foreach (ModelView model in others.Where(model => !_followed.ContainsKey(model)))
        {
            CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            string what = $"The grid's state of model {model.Model}";
            GridLoop loop = new(what, GridReporter.Period, token => exchange.Run(model, null, token), time, log);
            _followed.Add(model, (stop, Task.Run(() => loop.Run(stop.Token), CancellationToken.None)));
        }

        foreach (ModelView gone in _followed.Keys.Except(others).ToList())
        {
            await Leave(gone);
        }
    }

    private async Task Leave(ModelView model)
    {
        _followed.Remove(model, out (CancellationTokenSource Stop, Task Run) followed);
        await followed.Stop.CancelAsync();
        await followed.Run;
        followed.Stop.Dispose();
    }
}
