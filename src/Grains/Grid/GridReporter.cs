using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Engine.Blocks;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// Every 200 ms: tells the grid's state about this silo's device, and refreshes this silo's <see cref="GridView"/> from the
/// answer. While the state does not answer, the view ages and says so.
/// </summary>
internal sealed class GridReporter(
    IGrainFactory grains, LocalDevice device, GridView view, HandoverPlanner handovers, TimeProvider time, ILogger<GridReporter> log)
{
    /// <summary>Time between two reports.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan CatalogPeriod = TimeSpan.FromSeconds(1);

    private InferenceEngine? _reportedEngine;
    private long _reportedEvents;
    private long _catalogReadAt;
    private bool _failing;

    private string Model => device.Identity.Model.Name;

    /// <summary>The first report, which decides whether the device may join.</summary>
    /// <exception cref="StartupException">It may not, or the grid does not answer.</exception>
    public async Task Join(TimeSpan patience, CancellationToken cancellation)
    {
        long start = time.GetTimestamp();
        while (true)
        {
            try
            {
                // Before the announcement: a device that may not join leaves no trace in the catalog.
                await ReportOwn(cancellation);
                device.Admit();
                await Refresh(cancellation);
                return;
            }
            catch (Exception exception) when (exception is not (StartupException or OperationCanceledException))
            {
                if (time.GetElapsedTime(start) > patience)
                {
                    throw new StartupException($"{device.Identity.Id} cannot join the grid: {exception.Message}", exception);
                }

                await Task.Delay(Period, time, cancellation);
            }
        }
    }

    /// <summary>Reports until cancelled.</summary>
    public async Task Run(CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(Period, time);
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            try
            {
                await Refresh(cancellation);
                _failing = false;
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                throw;
            }
            catch (Exception exception)
            {
                GridMetrics.ReportFailures.Add(1);
                if (!_failing)
                {
                    log.ReportFailed(exception.Message);
                    _failing = true;
                }
            }
        }
    }

    /// <summary>Says goodbye, so that nobody has to wait for the lease to run out.</summary>
    public Task Leave() => grains.GetGrain<IGridStateGrain>(Model).Leave(device.Identity.Id).WaitAsync(CallTimeout, time);

    /// <summary>One report and one refresh of every model's view.</summary>
    public async Task Refresh(CancellationToken cancellation)
    {
        if (_catalogReadAt == 0 || time.GetElapsedTime(_catalogReadAt) >= CatalogPeriod)
        {
            IReadOnlyList<ModelCard> models = await grains.GetGrain<IModelRegistryGrain>(IModelCatalogGrain.Key)
                .Announce(device.Identity.Model).WaitAsync(CallTimeout, time, cancellation);
            view.TakeCatalog(models.Select(model => model.Name).ToHashSet());
            _catalogReadAt = time.GetTimestamp();
        }

        await ReportOwn(cancellation);
        foreach (string model in view.Models.Where(model => model != Model))
        {
            await Exchange(model, null, cancellation);
        }
    }

    private async Task ReportOwn(CancellationToken cancellation)
    {
        InferenceEngine engine = device.Worker.Engine;
        if (engine != _reportedEngine)
        {
            // The events of a device that was opened anew begin anew, and say nothing of what the grid knows of the one before.
            (_reportedEngine, _reportedEvents) = (engine, 0);
        }

        PrefixCacheEvents events = engine.ReadCacheEvents(_reportedEvents);
        foreach (BlockChanges? changes in BlockChangePages.Split(events, _reportedEvents))
        {
            DeviceReport report = new() { Device = device.Identity, Load = device.Load(), Blocks = changes, Handovers = handovers.Snapshot() };
            GridUpdate update = await Exchange(Model, report, cancellation);
            if (update.Refused is { } reason)
            {
                throw new StartupException(reason);
            }

            if (update.ResendBlocks)
            {
                _reportedEvents = 0;
                return;
            }
        }

        _reportedEvents = events.LastId;
    }

    private async Task<GridUpdate> Exchange(string model, DeviceReport? report, CancellationToken cancellation)
    {
        IGridStateGrain grain = grains.GetGrain<IGridStateGrain>(model);
        GridUpdate first = await Take(view.Get(model), grain, report, cancellation);
        for (GridUpdate update = first; update.More;)
        {
            update = await Take(view.Get(model), grain, null, cancellation);
        }

        return first;
    }

    private async Task<GridUpdate> Take(ModelView known, IGridStateGrain grain, DeviceReport? report, CancellationToken cancellation)
    {
        (Guid epoch, long version) = known.Position;
        GridUpdate update = await grain.Exchange(report, epoch, version).WaitAsync(CallTimeout, time, cancellation);
        known.Apply(update);
        return update;
    }
}
