using Microsoft.Extensions.DependencyInjection;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>
/// Ties the device's life in the grid to the silo's: the silo becomes active when the worker is open; the device joins once the silo can call grains,
/// reports while it runs, and leaves before the silo stops.
/// </summary>
internal sealed class GridMembership(IServiceProvider services, WorkerOpening opening, ILogger<GridMembership> log) : ILifecycleParticipant<ISiloLifecycle>
{
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stop = new();
    private GridReporter? _reporter;
    private Task? _reports;
    private Task? _warmUp;

    public void Participate(ISiloLifecycle lifecycle)
    {
        lifecycle.Subscribe(nameof(GridMembership), ServiceLifecycleStage.ApplicationServices, AwaitWorker);
        lifecycle.Subscribe(nameof(GridMembership), ServiceLifecycleStage.Active, Start, Stop);
    }

    // Before other silos may place grains here.
    private Task AwaitWorker(CancellationToken cancellation) => opening.Worker.WaitAsync(cancellation);

    private async Task Start(CancellationToken cancellation)
    {
        var device = services.GetRequiredService<LocalDevice>();
        _reporter = services.GetRequiredService<GridReporter>();

        // Instruments are observed; nobody asks for them.
        services.GetRequiredService<EngineMetrics>();
        await _reporter.Join(JoinPatience, cancellation);
        log.WorkerReady(
            device.Identity.Model.Name,
            device.Identity.Id,
            device.Identity.Hardware,
            device.Worker.Engine.Status.TotalBlocks,
            device.Identity.Model.ContextLength,
            device.Role,
            device.Identity.Numerics);
        _warmUp = WarmUpWatch.Run(device.Worker.WarmUp, device.Identity.Id, log);
        _reports = Task.Run(() => _reporter.Run(_stop.Token), CancellationToken.None);
    }

    private async Task Stop(CancellationToken cancellation)
    {
        await _stop.CancelAsync();
        if (_reports is null || _reporter is null)
        {
            // It never joined.
            return;
        }

        await _reports.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await (_warmUp ?? Task.CompletedTask);
        try
        {
            await _reporter.Leave();
        }
        catch (Exception exception) when (exception is OrleansException or TimeoutException or OperationCanceledException)
        {
            // The lease ends the membership, too.
            log.NoAnswer($"The grid's state of model {services.GetRequiredService<LocalDevice>().Identity.Model.Name}", exception.Message);
        }
    }
}
