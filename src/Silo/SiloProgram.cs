using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;

namespace ServingGrid.Silo;

/// <summary>The program: from arguments to an exit code.</summary>
internal static class SiloProgram
{
    private const int Success = 0;
    private const int Failure = 1;

    /// <summary>
    /// Serves until it is told to stop (0), until it cannot start for a reason that its operator can mend (1, with one sentence on the
    /// error stream), or until its device is
    /// lost (<see cref="EndWhenDeviceIsLost.ExitCode"/>); <see cref="SecondSignal"/> has a code of its own.
    /// </summary>
    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Contains("--help"))
        {
            Console.WriteLine(SiloOptions.Help);
            return Success;
        }

        if (args.Contains("--list-devices"))
        {
            Console.WriteLine(DeviceCatalog.Print(DeviceCatalog.List(Console.Error.WriteLine)));
            return Success;
        }

        try
        {
            using SecondSignal second = new();
            WebApplication app = SiloApp.Create(SiloOptions.Parse(args));
            int code = Failure;
            try
            {
                return code = await ServeAsync(app);
            }
            finally
            {
                // What a driver does that is asked to free a device which it has lost, nobody should have to wait for: the process ends,
                // and all of it is free.
                if (code != EndWhenDeviceIsLost.ExitCode)
                {
                    await app.DisposeAsync();
                }
            }
        }
        catch (Exception exception) when (StartupFailure.Find(exception) is { } sentence)
        {
            await Console.Error.WriteLineAsync(sentence);
            return Failure;
        }
    }

    /// <summary>Runs the host until it is stopped, by an operator or because its device is lost.</summary>
    /// <returns>The exit code.</returns>
    internal static async Task<int> ServeAsync(WebApplication app)
    {
        CancellationToken stopping = app.Lifetime.ApplicationStopping;
        await app.Services.GetRequiredService<WorkerOpening>().Found;
        try
        {
            await GridAdmittance.StartAsync(app);
            SiloApp.Announce(app);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Stopped while it started: goes on as if it had been stopped thereafter.
        }

        await app.WaitForShutdownAsync();
        if (app.Services.GetRequiredService<EndWhenDeviceIsLost>().HasStopped)
        {
            return EndWhenDeviceIsLost.ExitCode;
        }

        // The host stops after a background service's failure as it does for an operator; a supervisor must see the difference.
        return app.Services.GetServices<IHostedService>().OfType<BackgroundService>().Any(service => service.ExecuteTask is { IsFaulted: true }) ? Failure : Success;
    }
}
