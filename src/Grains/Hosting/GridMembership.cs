using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>
/// Ties the device's life in the grid to the silo's: it joins once the silo can call grains, reports while it runs, and leaves
/// before the silo stops.
/// </summary>
internal sealed class GridMembership(GridReporter reporter, LocalDevice device, ILogger<GridMembership> log) : ILifecycleParticipant<ISiloLifecycle>
{
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stop = new();
    private Task? _reports;

    public void Participate(ISiloLifecycle lifecycle) => lifecycle.Subscribe(nameof(GridMembership), ServiceLifecycleStage.Active, Start, Stop);

    private async Task Start(CancellationToken cancellation)
    {
        await reporter.Join(JoinPatience, cancellation);
        log.WorkerReady(
            device.Identity.Model.Name,
            device.Identity.Id,
            device.Identity.Hardware,
            device.Worker.Engine.Status.TotalBlocks,
            device.Identity.Model.ContextLength,
            device.Role);
        _reports = Task.Run(() => reporter.Run(_stop.Token), CancellationToken.None);
    }

    private async Task Stop(CancellationToken cancellation)
    {
        await _stop.CancelAsync();
        if (_reports is null)
        {
            // It never joined.
            return;
        }

        await _reports.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await reporter.Leave();
        }
        catch (Exception exception) when (exception is OrleansException or TimeoutException or OperationCanceledException)
        {
            // The lease ends the membership, too.
            log.ReportFailed(exception.Message);
        }
    }
}
