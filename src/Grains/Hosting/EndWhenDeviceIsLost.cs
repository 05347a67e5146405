using Microsoft.Extensions.Hosting;
using ServingGrid.Engine;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>
/// Stops a silo whose device is lost, for its supervisor to start another: what a driver keeps in a process is gone with the device, and
/// comes back with
/// a new process only. Requests have gone on elsewhere by then.
/// </summary>
public sealed class EndWhenDeviceIsLost(WorkerOpening opening, IHostApplicationLifetime host, ILogger<EndWhenDeviceIsLost> log) : BackgroundService
{
    /// <summary>Exit code of a process that ends for this reason.</summary>
    public const int ExitCode = 3;

    private volatile bool _lost;

    /// <summary>True once the host has been stopped for this reason.</summary>
    public bool HasStopped => _lost;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (await opening.OpenOrNull(stoppingToken) is not { } worker)
        {
            return;
        }

        Task<EngineException> lost = worker.Engine.Lost;
        await ((Task)lost).WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (lost.IsCompletedSuccessfully && !stoppingToken.IsCancellationRequested)
        {
            GridMetrics.DeviceLosses.Add(1);
            log.EndsWithoutDevice(worker.Engine.Device.Info.Id, ExitCode, worker.Trouble);
            _lost = true;
            host.StopApplication();
        }
    }
}
