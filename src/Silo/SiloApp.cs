using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Console;
using ServingGrid.Client.Connections;
using ServingGrid.Client.Observability;
using ServingGrid.Gateway.Http;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Silo;

/// <summary>Puts a worker process together: the silo, and a small HTTP endpoint for its health and metrics.</summary>
internal static class SiloApp
{
    private static readonly TimeSpan ReaderTimeout = TimeSpan.FromSeconds(30);

    /// <exception cref="StartupException">An option is out of range. A model or device that cannot be used ends the start of the host.</exception>
    public static WebApplication Create(SiloOptions options)
    {
        options.Worker.Validate();
        return Create(options, WorkerOpening.Begin(options.Worker));
    }

    /// <param name="options">Valid options.</param>
    /// <param name="opening">The worker's opening, which has begun; the app disposes it.</param>
    public static WebApplication Create(SiloOptions options, WorkerOpening opening)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseUrls(options.Urls);
        builder.Services.AddSingleton(provider => new ConnectionDoor(
            "status",
            provider.GetRequiredService<SiloShares>().Status,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(HttpDoor))));
        builder.Services.GuardListeners(provider => provider.GetRequiredService<ConnectionDoor>());
        builder.Services.AddOptions<KestrelServerOptions>().Configure<ConnectionDoor>((kestrel, door) =>
        {
            kestrel.LimitConnections(door, ReaderTimeout);
            kestrel.Limits.MaxRequestBodySize = 0;
        });
        AddLogging(builder.Logging, options.Verbose);
        builder.Services.AddSingleton<PrometheusExporter>();
        SiloEndpoints free = SiloEndpoints.Free(options.Address);
        SiloEndpoints endpoints = new(
            options.Address,
            options.Port == 0 ? free.SiloPort : options.Port,
            options.GatewayPort == 0 ? free.GatewayPort : options.GatewayPort);
        builder.AddServingGridWorker(options.Worker, opening, options.Cluster, endpoints, new DrainOptions { Timeout = options.Drain }, DeviceLoss.StopHost);

        WebApplication app = builder.Build();

        // Listens from now on: instruments report to those that are there.
        app.Services.GetRequiredService<PrometheusExporter>();
        app.UseConnectionWork();
        app.Use((context, next) =>
            WebPages.Refuse(context.Request, options.AllowedHosts, anyHost: context.Request.Path == "/health") is { } sentence
            ? Results.Text(sentence, statusCode: StatusCodes.Status403Forbidden).ExecuteAsync(context)
            : next(context));
        app.MapGet("/health", (LocalDevice device) => Health(device.Load()));
        app.MapGet("/metrics", (PrometheusExporter metrics) => Results.Text(metrics.Render(), PrometheusExporter.ContentType));
        return app;
    }

    /// <summary>One line for operators and scripts, once the silo takes requests.</summary>
    public static void Announce(WebApplication app)
    {
        DeviceIdentity device = app.Services.GetRequiredService<LocalDevice>().Identity;
        Console.WriteLine($"ready: {device.Id} serves {device.Model.Name} on {device.Hardware}, status on {string.Join(", ", app.Urls)}");
    }

    private static IResult Health(DeviceLoad load) => load.State == DeviceState.Serving
        ? Results.Text("ok")
        : Results.Text(load.Trouble is null ? load.State.ToString() : $"{load.State}: {load.Trouble}", statusCode: StatusCodes.Status503ServiceUnavailable);

    private static void AddLogging(ILoggingBuilder logging, bool verbose)
    {
        logging.ClearProviders();
        logging.AddSimpleConsole(console => console.SingleLine = true);
        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        logging.SetMinimumLevel(verbose ? LogLevel.Information : LogLevel.Warning);
        logging.AddFilter("ServingGrid", LogLevel.Information);

        // A line for each connection beyond the limit: the door has told of the crowd.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel.Connections", verbose ? LogLevel.Information : LogLevel.Error);

        // The host reports a failed start a second time, with its stack: the program prints the sentence.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", verbose ? LogLevel.Information : LogLevel.None);
        if (!verbose)
        {
            logging.QuietOrleans();
        }
    }
}
