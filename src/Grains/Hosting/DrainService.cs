using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>How a silo stops.</summary>
public sealed class DrainOptions
{
    /// <summary>How long running requests may take to finish; what is left then goes on at another silo.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(20);
}

/// <summary>
/// Stops before the silo does (hosted services stop in reverse order): no new requests, running ones finish, and those that do
/// not in time are failed so that their clients resume them elsewhere.
/// </summary>
internal sealed class DrainService(IServiceProvider services, DrainOptions options, TimeProvider time, ILogger<DrainService> log) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        // Not before: services are made before the worker is open.
        var device = services.GetRequiredService<LocalDevice>();
        device.StartDraining();
        DeviceLoad load = device.Load();
        log.Draining(device.Identity.Id, load.Running + load.Waiting);
        try
        {
            await device.Worker.Engine.DrainAsync().WaitAsync(options.Timeout, time, cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            await device.Worker.Engine.DisposeAsync();
        }
    }
}
