using ServingGrid.Client.Clustering;
using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;

namespace ServingGrid.Gateway.Hosting;

/// <summary>The program: from arguments to an exit code.</summary>
internal static class GatewayProgram
{
    private const int Success = 0;
    private const int Failure = 1;

    /// <summary>
    /// Serves until it is told to stop (Ctrl-C, SIGTERM). What its operator can mend ends it with one sentence on the error stream and
    /// the exit code 1; so does a background service that fails, with the sentence that it has logged.
    /// </summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> args)
    {
        if (CommandLine.AsksForHelp(args))
        {
            Console.WriteLine(CommandLine.Help);
            return Success;
        }

        if (CommandLine.AsksForDevices(args))
        {
            Console.WriteLine(DeviceCatalog.Print(DeviceCatalog.List(Console.Error.WriteLine)));
            return Success;
        }

        try
        {
            return await ServeAsync(CommandLine.Parse(args, Environment.GetEnvironmentVariable));
        }
        catch (UsageException failure)
        {
            return Fail(failure.Message);
        }
        catch (Exception failure) when (StartupFailure.Find(failure) is { } sentence)
        {
            return Fail(sentence);
        }
    }

    private static async Task<int> ServeAsync(GatewayOptions options)
    {
        using SecondSignal second = new();
        ListenAddresses.Check(options.Urls);
        if (options.Cluster.Kind != ClusterKind.Local)
        {
            await using WebApplication gateway = GatewayApp.Create(options, builder => GridSilos.Connect(builder, options));
            return await ServeAsync(gateway, async () => Banner.Describe(gateway.Urls, options, await GridSilos.DescribeAsync(gateway.Services)));
        }

        // First of all, because it takes longest and the rest can be done meanwhile.
        WorkerOptions workerOptions = EmbeddedSilo.ToWorkerOptions(options);
        await using var opening = WorkerOpening.Begin(workerOptions);
        await using WebApplication app = GatewayApp.Create(
            options, builder => EmbeddedSilo.Add(builder, workerOptions, opening, options.AllowNumericsChange));
        await opening.Found;
        return await ServeAsync(app, async () =>
        {
            Worker worker = await opening.Worker;
            return Banner.Describe(app.Urls, options, worker.Card, worker.Engine.Device.Info);
        });
    }

    /// <summary>Runs <paramref name="app"/> until it is stopped, by an operator or by a background service that fails.</summary>
    /// <param name="app">The host.</param>
    /// <param name="describe">What to print once it serves.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="StartupException">An address cannot be listened on.</exception>
    internal static async Task<int> ServeAsync(WebApplication app, Func<Task<string>> describe)
    {
        CancellationToken stopping = app.Lifetime.ApplicationStopping;
        try
        {
            await app.StartAsync();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Stopped while it started: goes on as if it had been stopped thereafter.
        }
        catch (IOException failure)
        {
            // Kestrel's, for an address that was taken since the check above.
            throw new StartupException(failure.Message, failure);
        }

        string banner = stopping.IsCancellationRequested ? "" : await describe();
        if (!stopping.IsCancellationRequested)
        {
            Console.WriteLine(banner);
        }

        await app.WaitForShutdownAsync();

        // The host stops after such a failure as it does for an operator; a supervisor must see the difference.
        return app.Services.GetServices<IHostedService>().OfType<BackgroundService>().Any(service => service.ExecuteTask is { IsFaulted: true }) ? Failure : Success;
    }

    private static int Fail(string sentence)
    {
        Console.Error.WriteLine(sentence);
        return Failure;
    }
}
