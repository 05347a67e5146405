using Microsoft.Extensions.Hosting;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>
/// Opens a device that is lost anew, for a process that is all there is and that nobody may start again. Where that fails the process stays
/// up, not ready, says why,
/// and goes on trying: at first at once, then after pauses that double.
/// </summary>
public sealed class ReopenLostDevice(WorkerOpening opening, TimeProvider time, ILogger<ReopenLostDevice> log) : BackgroundService
{
    /// <summary>Longest pause between two attempts.</summary>
    public static readonly TimeSpan MaxPause = TimeSpan.FromMinutes(1);

    /// <summary>A device that has served for so long is trusted again: when it is lost then, it is opened at once.</summary>
    public static readonly TimeSpan Trusted = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private int _attempts;
    private long? _reopenedAt;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (await opening.OpenOrNull(stoppingToken) is not { } worker)
        {
            return;
        }

        while (true)
        {
            await worker.Engine.Lost.WaitAsync(stoppingToken);
            GridMetrics.DeviceLosses.Add(1);
            if (_reopenedAt is { } at && time.GetElapsedTime(at) >= Trusted)
            {
                _attempts = 0;
            }

            await Reopen(worker, stoppingToken);
        }
    }

    private async Task Reopen(Worker worker, CancellationToken stopping)
    {
        string device = worker.Engine.Device.Info.Id;
        while (true)
        {
            await Task.Delay(Pause(_attempts++), time, stopping);
            long start = time.GetTimestamp();
            try
            {
                await worker.ReopenAsync();
                _reopenedAt = time.GetTimestamp();
                GridMetrics.DeviceReopenings.Add(1);
                log.DeviceReopened(device, time.GetElapsedTime(start).TotalSeconds);
                return;
            }
            catch (Exception failure)
            {
                // Whatever its driver throws.
                log.DeviceNotReopened(device, failure.Message, Pause(_attempts).TotalSeconds);
            }
        }
    }

    private static TimeSpan Pause(int attempts) => attempts == 0
        ? TimeSpan.Zero
        : TimeSpan.FromSeconds(Math.Min(FirstPause.TotalSeconds * Math.Pow(2, Math.Min(attempts - 1, 30)), MaxPause.TotalSeconds));
}
