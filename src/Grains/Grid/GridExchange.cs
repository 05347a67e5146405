using System.Globalization;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// Asks the grid's state of a model what has changed, and puts it into this silo's view of the model. One caller at a time for each.
/// </summary>
internal sealed class GridExchange(IGrainFactory grains, TimeProvider time)
{
    /// <summary>Longest wait for one answer.</summary>
    public static readonly TimeSpan CallTimeout = TimeSpan.Parse(IGridStateGrain.ReportTimeout, CultureInfo.InvariantCulture);

    /// <param name="known">The view.</param>
    /// <param name="report">Of this silo's device, if the model is its own.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The answer to the report.</returns>
    public async Task<GridUpdate> Run(ModelView known, DeviceReport? report, CancellationToken cancellation)
    {
        IGridStateGrain grain = grains.GetGrain<IGridStateGrain>(known.Model);
        GridUpdate first = await Take(known, grain, report, cancellation);
        for (GridUpdate update = first; update.More;)
        {
            update = await Take(known, grain, null, cancellation);
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
