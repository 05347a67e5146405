using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using ServingGrid.Client.Connections;

namespace ServingGrid.Grains.Hosting;

/// <summary>Who may connect to a silo, and how many at a time.</summary>
internal static class SiloConnections
{
    private const string SiloPort = "silo";
    private const string ClientPort = "client";

    /// <summary>
    /// Each connection begins with a proof of the cluster's secret on both sides and has a deadline for it; each port has a limit of its
    /// own
    /// (<see cref="SiloShares"/>).
    /// </summary>
    public static void GuardConnections(this ISiloBuilder silo, string secret)
    {
        IServiceCollection services = silo.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(_ => SiloShares.Of(OpenFiles.ForConnections));
        services.AddSingleton<GridAdmittance>();
        services.AddKeyedSingleton(SiloPort, (provider, _) => Door(provider, SiloPort, provider.GetRequiredService<SiloShares>().Silos));
        services.AddKeyedSingleton(ClientPort, (provider, _) =>
            Door(provider, ClientPort, provider.GetRequiredService<SiloShares>().Clients));
        services.AddOptions<SiloConnectionOptions>().Configure<IServiceProvider, GridAdmittance, TimeProvider>(
            (options, provider, admittance, time) =>
        {
            options.ConfigureSiloInboundConnection(Guard(SiloPort));
            options.ConfigureGatewayInboundConnection(Guard(ClientPort));
            options.ConfigureSiloOutboundConnection(connections => GridConnections.Prove(connections, secret, time, admittance.Note));

            Action<IConnectionBuilder> Guard(string port)
            {
                var door = provider.GetRequiredKeyedService<ConnectionDoor>(port);
                var refusals = new RefusalLog(port, time, Log(provider));
                return connections => GridConnections.Guard(connections, door, secret, time, refusals);
            }
        });
        silo.ReplaceListeners((provider, original) => new LimitedListeners(original(provider), provider));
    }

    /// <summary>A silo that nobody connects to: Orleans' listeners wait, on no port, for nothing.</summary>
    public static void ListenNowhere(this ISiloBuilder silo)
    {
        silo.ReplaceListeners((_, _) => new NoListener());
    }

    // Orleans' listeners have keys; one without is that of a web server in the same process.
    private static void ReplaceListeners(
        this ISiloBuilder silo,
        Func<IServiceProvider, Func<IServiceProvider, IConnectionListenerFactory>, IConnectionListenerFactory> replacement)
    {
        foreach (ServiceDescriptor service in silo.Services.Where(
            service => service.IsKeyedService && service.ServiceType == typeof(IConnectionListenerFactory)).ToArray())
        {
            Func<IServiceProvider, object?, object> original = service.KeyedImplementationFactory
                ?? throw new InvalidOperationException("Orleans makes its listeners in another way than this expects.");
            silo.Services.Remove(service);
            silo.Services.AddKeyedSingleton<IConnectionListenerFactory>(
                service.ServiceKey, (provider, key) => replacement(provider, from => (IConnectionListenerFactory)original(from, key)));
        }
    }

    private static ConnectionDoor Door(IServiceProvider provider, string port, int limit) =>
        new(port, limit, provider.GetRequiredService<TimeProvider>(), Log(provider));

    private static ILogger Log(IServiceProvider provider) =>
        provider.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(SiloConnections));

    /// <summary>Orleans' listeners, each behind the door of its port.</summary>
    private sealed class LimitedListeners(IConnectionListenerFactory listeners, IServiceProvider services) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            EndpointOptions endpoints = services.GetRequiredService<IOptions<EndpointOptions>>().Value;
            string port = endpoint is IPEndPoint { Port: var number } && number == endpoints.GatewayPort ? ClientPort : SiloPort;
            return services.GetRequiredKeyedService<ConnectionDoor>(port).Guard(await listeners.BindAsync(endpoint, cancellationToken));
        }
    }

    private sealed class NoListener : IConnectionListenerFactory
    {
        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult<IConnectionListener>(new Silence(endpoint));
    }

    private sealed class Silence(EndPoint endpoint) : IConnectionListener
    {
        private readonly TaskCompletionSource<ConnectionContext?> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public EndPoint EndPoint => endpoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
            await _end.Task.WaitAsync(cancellationToken);

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _end.TrySetResult(null);
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}
