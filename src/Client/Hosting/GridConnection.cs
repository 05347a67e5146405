using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using ServingGrid.Client.Clustering;

namespace ServingGrid.Client.Hosting;

/// <summary>
/// The way from a process without a silo to the grid. Orleans' own client holds up its host's start until a silo is there; a gateway
/// must answer probes before that, so the client has a container of its own and connects beside the host. Once connected it follows
/// the membership store by itself, also when every silo that it knew is lost. Thread-safe.
/// </summary>
internal sealed class GridConnection : BackgroundService
{
    private readonly ClusterStore _cluster;
    private readonly ILogger<GridConnection> _log;
    private readonly ServiceProvider _orleans;
    private readonly GridClient _client;
    private volatile bool _connected;
    private volatile string _problem = "it has not been tried yet";

    /// <exception cref="ClusterStoreException">The membership store cannot be used as it is configured.</exception>
    public GridConnection(ClusterStore cluster, IOptions<GridClientOptions> options, TimeProvider time, ILoggerFactory loggers)
        : this(cluster, options, time, loggers, _ => { })
    {
    }

    // The last argument has the last word on the Orleans client.
    internal GridConnection(
        ClusterStore cluster, IOptions<GridClientOptions> options, TimeProvider time, ILoggerFactory loggers, Action<IClientBuilder> configure)
    {
        (_cluster, _log) = (cluster, loggers.CreateLogger<GridConnection>());
        var services = new ServiceCollection();
        services.AddSingleton(loggers);
        services.AddLogging();
        services.AddOrleansClient(client => configure(client.UseServingGridCluster(cluster, NoteFailure)));
        _orleans = services.BuildServiceProvider();
        _client = new GridClient(_orleans.GetRequiredService<IClusterClient>(), options, time, loggers.CreateLogger<GridClient>());
    }

    /// <summary>The grid, once a silo has been reached.</summary>
    /// <exception cref="GridException"><see cref="GridError.Unavailable"/>: not yet.</exception>
    public GridClient Client => _connected
        ? _client
        : throw new GridException(GridError.Unavailable, $"No silo of the grid at {_cluster.Display} can be reached: {_problem}.");

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (_connected)
        {
            foreach (IHostedService service in _orleans.GetServices<IHostedService>().Reverse())
            {
                await service.StopAsync(cancellationToken);
            }
        }

        await _orleans.DisposeAsync();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            foreach (IHostedService service in _orleans.GetServices<IHostedService>())
            {
                await service.StartAsync(stoppingToken);
            }
        }
        catch (Exception failure) when (!stoppingToken.IsCancellationRequested)
        {
            // A grid that is not there is tried again below this: what comes up to here would fail again. It stops the host.
            _log.ClientFailed(_cluster.Display, FirstLine(failure));
            throw;
        }

        _connected = true;
        _log.Connected(_cluster.Display);
    }

    private void NoteFailure(Exception failure)
    {
        string problem = failure is SiloUnavailableException ? "no silo is active" : FirstLine(failure);
        if (problem != _problem)
        {
            _log.NotConnected(_cluster.Display, problem);
            _problem = problem;
        }
    }

    private static string FirstLine(Exception failure) => failure.Message.Split('\n')[0].Trim().TrimEnd('.');
}
