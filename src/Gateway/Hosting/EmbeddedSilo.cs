using ServingGrid.Client.Clustering;
using ServingGrid.Client.Hosting;
using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Gateway.Hosting;

/// <summary>The grid of the one-process default: a silo in this process that prefills and decodes, and a client of it.</summary>
internal static class EmbeddedSilo
{
    // The gateway has ended every answer with an error by then: there is nothing to wait for.
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Opens the model and adds the silo. Returns when the weights are loaded.</summary>
    /// <exception cref="StartupException">The model or the device is not usable; one sentence says why.</exception>
    public static Worker Add(WebApplicationBuilder builder, GatewayOptions options)
    {
        Worker worker = builder.AddServingGridWorker(ToWorkerOptions(options), ClusterStore.Local, drain: new DrainOptions { Timeout = DrainTimeout });

        // There is no other silo that a slow start could be tried on.
        builder.Services.AddServingGridClient(client => client.HedgeAfter = null);
        return worker;
    }

    private static WorkerOptions ToWorkerOptions(GatewayOptions options)
    {
        var worker = new WorkerOptions
        {
            ModelPath = options.ModelPath,
            ModelName = options.ModelName,
            Device = options.Device,
            Threads = options.Threads ?? 0,
            ContextLength = options.ContextLength,
        };
        return worker with
        {
            MaxSequences = options.MaxSequences ?? worker.MaxSequences,
            MaxWaiting = options.MaxWaiting ?? worker.MaxWaiting,
        };
    }
}
