using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client;
using ServingGrid.EndToEnd.Tests.Grid;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Silo;
using ServingGrid.Testing;
using ServingGrid.Testing.Faults;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>
/// A silo whose device is lost: it runs in this process, for nothing in a program of its own would lose one when it is told to.
/// </summary>
public sealed class LostDeviceTests
{
    private const int Streams = 8;
    private const int Tokens = 600;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Serve_DeviceLostUnderStreams_EndsWith3AndTheyGoOnElsewhere()
    {
        using var folder = new TemporaryFolder();
        string cluster = $"file:{folder.Combine("grid.db")}";
        await using var grid = new ProcessGrid(cluster);
        SiloProcess other = await grid.StartSiloAsync("both");
        FaultyDevice? device = null;
        SiloOptions options = SiloOptions.Parse(["--model", ModelFiles.Bundled, "--cluster", cluster, "--threads", "1", "--kv-memory-mib", "128"]);
        await using WebApplication app = SiloApp.Create(options, WorkerOpening.Begin((found, log) => Worker.Open(
            options.Worker, loggers: log, found: found, openDevice: id => device = new FaultyDevice(DeviceCatalog.Open(id, new CpuDeviceOptions { Threads = 1 })))));
        Task<int> served = SiloProgram.ServeAsync(app);
        IHost client = await grid.ConnectAsync();
        await client.WaitForMembersAsync(2, TimeSpan.FromSeconds(60));
        GenerateRequest[] requests = [.. Enumerable.Range(0, Streams).Select(i => GridRequests.Create(grid.ModelName, GridRequests.Prompt(40, new Random(i)), Tokens, i))];
        StreamResult[] expected = await Task.WhenAll(requests.Select(request => client.RunAsync(request with { CacheSalt = "undisturbed" })));

        int[] counts = new int[Streams];
        Task<StreamResult>[] running = [.. requests.Select((request, i) => client.RunAsync(request, count => counts[i] = count))];
        using CancellationTokenSource limit = new(Patience);
        while (counts.Any(count => count < 3))
        {
            await Task.Delay(5, limit.Token);
        }

        device!.Fault = new Fault(FaultStage.BeginStep) { Failure = () => new DeviceException("the driver has lost it") };
        for (int i = 0; !served.IsCompleted; i++)
        {
            // The device must have something to do, wherever the streams happen to be.
            await client.RunAsync(GridRequests.Create(grid.ModelName, GridRequests.Prompt(40, new Random(1000 + i)), 4)).WaitAsync(limit.Token);
        }

        Assert.Equal(EndWhenDeviceIsLost.ExitCode, await served);
        StreamResult[] results = await Task.WhenAll(running).WaitAsync(Patience);
        for (int i = 0; i < Streams; i++)
        {
            Assert.Equal(expected[i].Tokens, results[i].Tokens);
        }

        Assert.True(device.Struck > 0);
        Assert.False(other.HasExited);
        await client.RunAsync(requests[0] with { RequestId = "after" }).WaitAsync(Patience);
    }
}
