using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Console;
using ServingGrid.Client;
using ServingGrid.Client.Connections;
using ServingGrid.Client.Observability;
using ServingGrid.Gateway.Errors;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.Observability;
using ServingGrid.Gateway.OpenAi;
using ServingGrid.Gateway.OpenAi.Generation;
using ServingGrid.Gateway.OpenAi.Requests;
using ServingGrid.Grains.Hosting;

namespace ServingGrid.Gateway.Hosting;

/// <summary>Puts the REST host together; what grid stands behind it is the caller's choice.</summary>
internal static class GatewayApp
{
    // Answers that are under way end at once with an error; this is for what does not.
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(5);

    /// <param name="options">Valid options.</param>
    /// <param name="addGrid">Registers an <see cref="IGridClient"/> and what it needs.</param>
    public static WebApplication Create(GatewayOptions options, Action<WebApplicationBuilder> addGrid)
    {
        // No arguments and a content root of its own: neither the working directory nor its files change what is served.
        WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseUrls([.. options.Urls]);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(provider => new ConnectionDoor(
            "http",
            options.MaxConnections ?? GatewayOptions.DefaultMaxConnections,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(HttpDoor))));
        builder.Services.GuardListeners(provider => provider.GetRequiredService<ConnectionDoor>());
        builder.Services.AddOptions<KestrelServerOptions>().Configure<ConnectionDoor>((kestrel, door) =>
        {
            kestrel.LimitConnections(door, options.ReaderTimeout);
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownTimeout);
        AddLogging(builder.Logging, options.Verbose);
        AddApi(builder.Services);
        addGrid(builder);

        WebApplication app = builder.Build();
        app.UseConnectionWork();
        app.UseMiddleware<RequestIds>();
        app.UseMiddleware<HttpMetrics>();
        app.UseMiddleware<ErrorMiddleware>();
        if (options.ApiKeys.Count > 0)
        {
            app.UseMiddleware<ApiKeys>(options.ApiKeys);
        }
        else
        {
            app.UseMiddleware<OriginGuard>(options.AllowedHosts);
        }

        // Explicit, so that a key is asked for before a route is looked up.
        app.UseRouting();
        MapApi(app);
        return app;
    }

    private static void AddLogging(ILoggingBuilder logging, bool verbose)
    {
        logging.ClearProviders();
        logging.AddSimpleConsole(console => console.SingleLine = true);
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        logging.SetMinimumLevel(verbose ? LogLevel.Information : LogLevel.Warning);
        if (!verbose)
        {
            logging.QuietOrleans();
        }

        logging.AddFilter(typeof(IGridClient).Namespace + ".Hosting", LogLevel.Information);

        // A line for each connection beyond the limit: the door has told of the crowd.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel.Connections", verbose ? LogLevel.Information : LogLevel.Error);

        // The host reports a failed start a second time, with its stack: the program prints the sentence.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", verbose ? LogLevel.Information : LogLevel.None);
    }

    private static void AddApi(IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<UnknownFields>();
        services.AddSingleton<ReaderWatch>();
        services.AddSingleton(provider =>
            new LargeRequests(provider.GetRequiredService<GatewayOptions>().MaxBodyBytes, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<AnswerWriter>();
        services.AddSingleton<CompletionsEndpoint>();
        services.AddSingleton<ChatEndpoint>();
        services.AddSingleton<ModelsEndpoint>();
        services.AddSingleton<HealthEndpoint>();
        services.AddSingleton<GridEndpoint>();
        services.AddSingleton<PrometheusExporter>();
        services.AddSingleton<MetricsEndpoint>();
    }

    private static void MapApi(WebApplication app)
    {
        T Endpoint<T>()
            where T : notnull => app.Services.GetRequiredService<T>();

        app.MapGet("/v1/models", Endpoint<ModelsEndpoint>().ListAsync);
        app.MapGet("/v1/models/{**id}", Endpoint<ModelsEndpoint>().GetAsync);
        app.MapPost("/v1/completions", Endpoint<CompletionsEndpoint>().HandleAsync);
        app.MapPost("/v1/chat/completions", Endpoint<ChatEndpoint>().HandleAsync);
        app.MapGet("/health", Endpoint<HealthEndpoint>().HandleAsync);
        app.MapGet("/grid", Endpoint<GridEndpoint>().HandleAsync);
        app.MapGet("/metrics", Endpoint<MetricsEndpoint>().HandleAsync);
    }
}
