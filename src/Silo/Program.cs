using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;
using ServingGrid.Silo;

if (args.Contains("--help"))
{
    Console.WriteLine(SiloOptions.Help);
    return 0;
}

if (args.Contains("--list-devices"))
{
    Console.WriteLine(DeviceCatalog.Print(DeviceCatalog.List(Console.Error.WriteLine)));
    return 0;
}

try
{
    using SecondSignal second = new();
    await using WebApplication app = SiloApp.Create(SiloOptions.Parse(args));
    await app.Services.GetRequiredService<WorkerOpening>().Found;
    await GridAdmittance.StartAsync(app);
    SiloApp.Announce(app);
    await app.WaitForShutdownAsync();
    return 0;
}
catch (Exception exception) when (StartupFailure.Find(exception) is { } sentence)
{
    await Console.Error.WriteLineAsync(sentence);
    return 1;
}
