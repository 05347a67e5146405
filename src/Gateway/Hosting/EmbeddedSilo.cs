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

    /// <summary>Adds the silo of a model that is being opened, and a client of it.</summary>
    public static void Add(WebApplicationBuilder builder, WorkerOptions options, WorkerOpening opening, bool? allowNumericsChange = null)
    {
        // There may be no supervisor, and there is nothing else that would serve: a lost device is opened anew.
        builder.AddServingGridWorker(options, opening, ClusterStore.Local, drain: new DrainOptions { Timeout = DrainTimeout }, whenLost: DeviceLoss.Reopen);

        builder.Services.AddServingGridClient(client =>
        {
            // There is no other silo that a slow start could be tried on.
            client.HedgeAfter = null;
            client.AllowNumericsChange = allowNumericsChange ?? client.AllowNumericsChange;
        });
    }

    /// <exception cref="StartupException">An option is out of range.</exception>
    public static WorkerOptions ToWorkerOptions(GatewayOptions options)
    {
        var worker = new WorkerOptions
        {
            ModelPath = options.ModelPath,
            ModelName = options.ModelName,
            Device = options.Device,
            Threads = options.Threads ?? 0,
            ComputeCores = options.ComputeCores,
            ComputePriority = options.ComputePriority,
            ContextLength = options.ContextLength,
        };
        worker = worker with
        {
            MaxSequences = options.MaxSequences ?? worker.MaxSequences,
            MaxWaiting = options.MaxWaiting ?? worker.MaxWaiting,
        };
        worker.Validate();
        return worker;
    }
}
