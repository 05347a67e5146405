using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Runtime.Hosting;
using Orleans.Runtime.MembershipService.SiloMetadata;
using ServingGrid.Client.Clustering;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Placement;
using ServingGrid.Grains.Routing;
using ServingGrid.Grains.Status;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>Makes a host a worker of the grid: the silo program, and the embedded silo of a single process.</summary>
public static class WorkerHosting
{
    /// <summary>Opens the model and adds an Orleans silo that serves it. Returns when the weights are loaded.</summary>
    /// <exception cref="StartupException">One sentence for the operator: print it and exit with 1.</exception>
    public static Worker AddServingGridWorker(this IHostApplicationBuilder builder, WorkerOptions options, ClusterStore cluster, SiloEndpoints? endpoints = null, DrainOptions? drain = null)
    {
        Worker worker = Worker.Open(options);
        builder.UseOrleans(silo => silo.UseServingGridCluster(cluster, endpoints).AddServingGridWorker(options, _ => worker, SiloNames.New(options.Role), drain));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = (drain ?? new DrainOptions()).Timeout + TimeSpan.FromSeconds(10));
        return worker;
    }

    /// <summary>Adds a worker to a silo: grains, placement, reports, metrics.</summary>
    /// <param name="silo">The silo.</param>
    /// <param name="options">What the worker is opened with.</param>
    /// <param name="worker">Creates the worker; the container disposes it.</param>
    /// <param name="siloName">Unique in the grid.</param>
    /// <param name="drain">How it stops.</param>
    public static ISiloBuilder AddServingGridWorker(
        this ISiloBuilder silo, WorkerOptions options, Func<IServiceProvider, Worker> worker, string siloName, DrainOptions? drain = null)
    {
        silo.Configure<SiloOptions>(names => names.SiloName = siloName);
        silo.UseSiloMetadata(new Dictionary<string, string>
        {
            [WorkerMetadata.Device] = WorkerMetadata.DeviceId(siloName, options.Device),
            [WorkerMetadata.Role] = options.Role.ToString(),
        });

        IServiceCollection services = silo.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(worker);
        services.AddSingleton<LocalDevice>();
        services.AddSingleton<GridView>();
        services.AddSingleton<GridReporter>();
        services.AddSingleton(provider => RoutingPolicies.Create(provider.GetRequiredService<Worker>().Options.RoutingPolicy));
        services.AddSingleton<DeviceRouter>();
        services.AddSingleton(options.Disaggregation);
        services.AddSingleton<ReservationTable>();
        services.AddSingleton(options.Transfer);
        services.AddSingleton<KvReceiver>();
        services.AddSingleton<IKvTransport, TcpKvTransport>();
        services.AddSingleton<PrefillBreaker>();
        services.AddSingleton<TransferSpeeds>();
        services.AddSingleton<HandoverPlanner>();
        services.AddSingleton<Handover>();
        services.AddSingleton<RequestsInFlight>();
        services.AddSingleton<CounterTally>();
        services.AddHostedService(provider => provider.GetRequiredService<CounterTally>());
        services.AddSingleton<SiloDetailsReader>();
        services.AddSingleton(drain ?? new DrainOptions());
        services.AddSingleton(provider => new RequestMetrics(provider.GetRequiredService<LocalDevice>().Identity.Model.Name, provider.GetRequiredService<TimeProvider>()));
        services.AddHostedService(provider =>
        {
            LocalDevice device = provider.GetRequiredService<LocalDevice>();
            return new EngineMetrics(device.Worker.Engine, device.Identity.Model.Name, device.Identity.Id);
        });
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, GridMembership>();
        services.AddHostedService<DrainService>();

        silo.AddGrainDirectory(RequestDirectory.Name, static (_, _) => new RequestDirectory());

        // Transient: a strategy with properties must not be shared by all grain types.
        services.AddPlacementDirector<KvAwarePlacement, KvAwareDirector>(ServiceLifetime.Transient);
        services.AddPlacementDirector<DevicePlacement, DeviceDirector>(ServiceLifetime.Transient);
        services.AddPlacementDirector<ModelPlacement, ModelDirector>(ServiceLifetime.Transient);
        return silo;
    }
}
