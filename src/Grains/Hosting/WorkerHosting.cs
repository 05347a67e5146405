using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Runtime.Hosting;
using Orleans.Runtime.MembershipService.SiloMetadata;
using ServingGrid.Client;
using ServingGrid.Client.Clustering;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Placement;
using ServingGrid.Grains.Requests;
using ServingGrid.Grains.Routing;
using ServingGrid.Grains.Status;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>Makes a host a worker of the grid: the silo program, and the embedded silo of a single process.</summary>
public static class WorkerHosting
{
    /// <summary>
    /// Adds an Orleans silo that serves a model, which is opened from now on; the start of the host waits for it. What cannot be used ends that start with
    /// an exception in which <see cref="StartupFailure.Find"/> finds one sentence for the operator: print it and exit with 1.
    /// </summary>
    /// <returns>The opening, which the host's container disposes.</returns>
    /// <exception cref="StartupException">An option is out of range.</exception>
    public static WorkerOpening AddServingGridWorker(
        this IHostApplicationBuilder builder,
        WorkerOptions options,
        ClusterStore cluster,
        SiloEndpoints? endpoints = null,
        DrainOptions? drain = null,
        DeviceLoss whenLost = DeviceLoss.Reopen)
    {
        options.Validate();
        return builder.AddServingGridWorker(options, WorkerOpening.Begin(options), cluster, endpoints, drain, whenLost);
    }

    /// <summary>The same with an opening that has begun already.</summary>
    public static WorkerOpening AddServingGridWorker(
        this IHostApplicationBuilder builder,
        WorkerOptions options,
        WorkerOpening opening,
        ClusterStore cluster,
        SiloEndpoints? endpoints = null,
        DrainOptions? drain = null,
        DeviceLoss whenLost = DeviceLoss.Reopen)
    {
        builder.UseOrleans(silo => silo.UseServingGridCluster(cluster, endpoints).AddServingGridWorker(options, _ => opening, SiloNames.New(options.Role), drain));
        if (cluster.Kind == ClusterKind.Local)
        {
            // Nobody to send blocks: without a port for them.
            builder.Services.RemoveAll<KvReceiver>();

            // There is no other device: one that is opened anew as another kind goes on with what the first began.
            builder.Services.Configure<GridClientOptions>(client => client.AllowNumericsChange = true);
        }

        if (whenLost == DeviceLoss.StopHost)
        {
            builder.Services.AddSingleton<EndWhenDeviceIsLost>();
            builder.Services.AddHostedService(provider => provider.GetRequiredService<EndWhenDeviceIsLost>());
        }
        else
        {
            builder.Services.AddHostedService<ReopenLostDevice>();
        }

        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = (drain ?? new DrainOptions()).Timeout + TimeSpan.FromSeconds(10));
        return opening;
    }

    /// <summary>Adds a worker to a silo: grains, placement, reports, metrics.</summary>
    /// <param name="silo">The silo.</param>
    /// <param name="options">What the worker is opened with.</param>
    /// <param name="opening">Begins to open the worker; the container disposes it.</param>
    /// <param name="siloName">Unique in the grid.</param>
    /// <param name="drain">How it stops.</param>
    public static ISiloBuilder AddServingGridWorker(
        this ISiloBuilder silo, WorkerOptions options, Func<IServiceProvider, WorkerOpening> opening, string siloName, DrainOptions? drain = null)
    {
        silo.Configure<SiloOptions>(names => names.SiloName = siloName);
        silo.UseSiloMetadata(new Dictionary<string, string>
        {
            [WorkerMetadata.Device] = WorkerMetadata.DeviceId(siloName, options.Device),
            [WorkerMetadata.Role] = options.Role.ToString(),
            [WorkerMetadata.Model] = options.ServedAs,
        });

        IServiceCollection services = silo.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(provider =>
        {
            WorkerOpening begun = opening(provider);
            begun.LogTo(provider.GetRequiredService<ILoggerFactory>());
            return begun;
        });

        // Asked for by what runs once the silo is active, and GridMembership lets it become active when the worker is open: nobody waits here.
        services.AddSingleton(provider => provider.GetRequiredService<WorkerOpening>().Worker.GetAwaiter().GetResult());
        services.AddSingleton(provider => new Lazy<ILocalModel>(provider.GetRequiredService<Worker>));
        services.AddSingleton<LocalDevice>();
        services.AddSingleton<RequestAdmission>();
        services.AddSingleton<GridView>();
        services.AddSingleton<ActiveSilos>();
        services.AddSingleton<GridExchange>();
        services.AddSingleton<CatalogWatch>();
        services.AddSingleton<GridReporter>();
        services.AddSingleton(_ => RoutingPolicies.Create(options.RoutingPolicy));
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
        services.AddSingleton<TokenDispatcher>();
        services.AddSingleton<CounterTally>();
        services.AddHostedService(provider => provider.GetRequiredService<CounterTally>());
        services.AddSingleton<SiloDetailsReader>();
        services.AddSingleton(drain ?? new DrainOptions());
        services.AddSingleton(provider => new RequestMetrics(provider.GetRequiredService<LocalDevice>().Identity.Model.Name, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider =>
        {
            LocalDevice device = provider.GetRequiredService<LocalDevice>();
            return new EngineMetrics(() => device.Worker.Engine.Status, device.Identity.Model.Name, device.Identity.Id);
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
