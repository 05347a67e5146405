using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using ServingGrid.Client.Connections;

namespace ServingGrid.Gateway.Http;

/// <summary>Limits of an HTTP port: how many connections, and how long one may take over anything.</summary>
internal static class HttpDoor
{
    // The system would buffer some megabytes for a client that does not read: nobody would notice that it does not, and two hundred of them
    // would hold a gigabyte.
    private const int SendBufferBytes = 64 << 10;

    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromMinutes(2);
    private static readonly MinDataRate SlowestUpload = new(bytesPerSecond: 4096, gracePeriod: TimeSpan.FromSeconds(10));

    private static readonly byte[] Refusal = CreateRefusal();

    /// <param name="kestrel">The server.</param>
    /// <param name="door">Of its port.</param>
    /// <param name="readerTimeout">For so long a client may take nothing of what has been written to it.</param>
    public static void LimitConnections(this KestrelServerOptions kestrel, ConnectionDoor door, TimeSpan readerTimeout)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentUpgradedConnections = 0;
        kestrel.Limits.RequestHeadersTimeout = HeadersTimeout;
        kestrel.Limits.KeepAliveTimeout = KeepAliveTimeout;
        kestrel.Limits.MinRequestBodyDataRate = SlowestUpload;
        kestrel.Limits.MinResponseDataRate = new MinDataRate(bytesPerSecond: 1024, gracePeriod: readerTimeout);
        kestrel.ConfigureEndpointDefaults(listen => listen.Use(next => connection => AdmitAsync(connection, door, next)));
    }

    /// <summary>The web server's listeners, which accept a connection when <paramref name="door"/> has room for it.</summary>
    public static void GuardListeners(this IServiceCollection services, Func<IServiceProvider, ConnectionDoor> door)
    {
        ServiceDescriptor sockets =
            services.Last(service => !service.IsKeyedService && service.ServiceType == typeof(IConnectionListenerFactory));
        Type original = sockets.ImplementationType
            ?? throw new InvalidOperationException("The web server makes its listeners in another way than this expects.");
        services.Remove(sockets);
        services.AddSingleton<IConnectionListenerFactory>(provider =>
            new LimitedListeners((IConnectionListenerFactory)ActivatorUtilities.CreateInstance(provider, original), door(provider)));
    }

    /// <summary>Marks connections as working while a request is answered on them; before anything else that handles requests.</summary>
    public static void UseConnectionWork(this IApplicationBuilder app) => app.Use(async (context, next) =>
    {
        using var work = new ConnectionWork(context.Features.Get<ConnectionDoor.ConnectionPlace>());
        context.Features.Set(work);
        if (context.Request.ContentLength is null or 0 && !context.Request.Headers.ContainsKey("Transfer-Encoding"))
        {
            work.Begin();
        }

        await next(context);
    });

    private static async Task AdmitAsync(ConnectionContext connection, ConnectionDoor door, ConnectionDelegate next)
    {
        using ConnectionDoor.ConnectionPlace? place = door.TryEnter(connection.Abort);
        if (place is null)
        {
            await connection.Transport.Output.WriteAsync(Refusal);
            return;
        }

        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is { ProtocolType: ProtocolType.Tcp } socket)
        {
            socket.SendBufferSize = SendBufferBytes;
        }

        connection.Features.Set(place);
        await next(connection);
    }

    private sealed class LimitedListeners(IConnectionListenerFactory listeners, ConnectionDoor door) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            door.Guard(await listeners.BindAsync(endpoint, cancellationToken));
    }

    private static byte[] CreateRefusal()
    {
        const string Message = "The server has as many connections as it takes.";
        const string Body =
            $$$"""{"error":{"message":"{{{Message}}}","type":"unavailable_error","param":null,"code":"too_many_connections"}}""";
        return Encoding.ASCII.GetBytes(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nRetry-After: 1\r\nConnection: close\r\n"
            + $"Content-Length: {Body.Length}\r\n\r\n{Body}");
    }
}

/// <summary>
/// A request as its connection's work. It begins when the request is complete: until then the connection is one of those that may have to
/// make room. For one handler.
/// </summary>
internal sealed class ConnectionWork(ConnectionDoor.ConnectionPlace? place) : IDisposable
{
    private bool _begun;

    public void Begin()
    {
        if (!_begun)
        {
            _begun = true;
            place?.BeginWork();
        }
    }

    public void Dispose()
    {
        if (_begun)
        {
            place?.EndWork();
        }
    }
}
