using ServingGrid.Engine;
using ServingGrid.Engine.Blocks;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// Every 200 ms: tells the grid's state about this silo's device, and refreshes this silo's <see cref="GridView"/> from the
/// answer. While the state does not answer, the view ages and says so. The catalog and other models have loops of their own: see
/// <see cref="CatalogWatch"/>.
/// </summary>
internal sealed class GridReporter(
    IGrainFactory grains,
    GridExchange exchange,
    CatalogWatch catalog,
    LocalDevice device,
    GridView view,
    TimeProvider time,
    ILogger<GridReporter> log)
{
    /// <summary>Time between two reports.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    private InferenceEngine? _reportedEngine;
    private long _reportedEvents;
    private long? _admittedAt;

    private string Model => device.Identity.Model.Name;

    /// <summary>The first reports, which decide whether the device may join, and the first announcement of its model.</summary>
    /// <exception cref="StartupException">It may not, or the grid does not answer.</exception>
    public async Task Join(TimeSpan patience, CancellationToken cancellation)
    {
        long start = time.GetTimestamp();
        while (true)
        {
            string missing;
            try
            {
                // Before the announcement: a device that may not join leaves no trace in the catalog.
                if (await Report(cancellation))
                {
                    // It is one now, and says so.
                    await Report(cancellation);
                    break;
                }

                missing = "the grid does not say whether it may";
            }
            catch (Exception exception) when (exception is not (StartupException or OperationCanceledException))
            {
                missing = exception.Message;
            }

            if (time.GetElapsedTime(start) > patience)
            {
                throw new StartupException($"{device.Identity.Id} cannot join the grid: {missing}");
            }

            await Task.Delay(Period, time, cancellation);
        }

        await catalog.TryAnnounce(cancellation);
    }

    /// <summary>Reports until cancelled; returns when nothing of it runs any more.</summary>
    public Task Run(CancellationToken cancellation)
    {
        GridLoop reports = new($"The grid's state of model {Model}", Period, Report, time, log);
        return Task.WhenAll(reports.Run(cancellation), catalog.Run(cancellation));
    }

    /// <summary>Says goodbye, so that nobody has to wait for the lease to run out.</summary>
    public Task Leave() => grains.GetGrain<IGridStateGrain>(Model).Leave(device.Identity.Id).WaitAsync(GridExchange.CallTimeout, time);

    /// <summary>One report, whose answer decides whether the device is one of the grid.</summary>
    /// <returns>False when the grid does not know yet whether the device may join.</returns>
    /// <exception cref="StartupException">It may not.</exception>
    private async Task<bool> Report(CancellationToken cancellation)
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
            DeviceReport report = new()
            {
                Device = device.Identity,
                Load = device.Load(),
                Blocks = changes,
                AdmittedFor = _admittedAt is { } since ? time.GetElapsedTime(since) : null,
            };
            GridUpdate update = await exchange.Run(view.Get(Model), report, cancellation);
            if (update.Refused is { } reason)
            {
                // Outside it is no elder any longer: what the grid is, those inside decide, whenever they came.
                device.Dismiss(reason);
                _admittedAt = null;
                throw new StartupException(reason);
            }

            if (update.Undecided)
            {
                return false;
            }

            device.Admit();
            _admittedAt ??= time.GetTimestamp();
            if (update.ResendBlocks)
            {
                _reportedEvents = 0;
                return true;
            }
        }

        _reportedEvents = events.LastId;
        return true;
    }
}
