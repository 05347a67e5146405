using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using ServingGrid.Client;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>Silos that stop answering while their connections stay open (SIGSTOP): the fault that is noticed last.</summary>
public sealed class FrozenSiloTests(FrozenGrid grid, ITestOutputHelper output) : IClassFixture<FrozenGrid>
{
    /// <summary>Long enough that its prompts are given up, too short for membership to declare it dead.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1.5);

    [Fact]
    public async Task NewRequests_DecodeSiloFrozen_AreStartedElsewhere()
    {
        GenerateRequest[] requests = grid.Requests(20, seed: 5);
        StreamResult[] expected = await grid.RunAtOnceAsync([.. requests.Select(request => request with { CacheSalt = "undisturbed" })]);
        SiloProcess frozen = grid.Decode[0];
        frozen.Freeze();
        try
        {
            StreamResult[] results = await grid.RunAtOnceAsync(requests).WaitAsync(TimeSpan.FromMinutes(1));
            TimeSpan[] first = [.. results.Select(result => result.FirstToken).Order()];
            output.WriteLine(
                $"time to first token: {string.Join(' ', first.Select(time => $"{time.TotalSeconds:0.00}"))} s (undisturbed at most {expected.Max(result => result.FirstToken).TotalSeconds:0.00} s)");
            for (int i = 0; i < requests.Length; i++)
            {
                Assert.Equal(expected[i].Tokens, results[i].Tokens);
            }

            // Liveness, not speed: longer than membership takes, shorter than any deadline of a request.
            Assert.InRange(first[^1], TimeSpan.Zero, TimeSpan.FromSeconds(8));
        }
        finally
        {
            frozen.Kill();
        }
    }

    [Fact]
    public async Task Prompts_PrefillSiloFrozen_BreakerTakesItOutAndAProbeBringsItBack()
    {
        GenerateRequest[] requests = grid.Requests(12, seed: 6);
        StreamResult[] expected = await grid.RunAtOnceAsync([.. requests.Select(request => request with { CacheSalt = "undisturbed" })]);
        (double opened, double failed) = (await CountAsync(Opened), await CountAsync(Failed));
        grid.Prefill.Freeze();
        long since = Stopwatch.GetTimestamp();
        Task<StreamResult[]> running = grid.RunAtOnceAsync(requests);
        await Task.Delay(Pause - Stopwatch.GetElapsedTime(since));
        grid.Prefill.Resume();
        StreamResult[] results = await running.WaitAsync(TimeSpan.FromMinutes(1));
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal(expected[i].Tokens, results[i].Tokens);
        }

        Assert.True(await CountAsync(Opened) > opened, "No breaker has opened.");
        Assert.True(await CountAsync(Failed) > failed, "No prefill has failed.");

        // Back on every decode silo, each of which has a breaker of its own.
        double remote = await CountAsync(Remote);
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; (await OutAsync()).Length > 0 || await CountAsync(Remote) == remote; round++)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30), $"Still out on {string.Join(", ", await OutAsync())}.\n{grid.Grid.Output}");
            await grid.RunAtOnceAsync(grid.Requests(6, seed: 100 + round));
        }

        Assert.False(grid.Prefill.HasExited, grid.Prefill.Output);
    }

    [Fact]
    public async Task Start_OtherKvType_RefusedInOneSentenceAndTheGridGoesOn()
    {
        await using var run = new ProgramRun("dotnet",
        [
            Path.Combine(AppContext.BaseDirectory, "ServingGrid.Silo.dll"), "--model", ModelFiles.Bundled, "--threads", "1", "--kv-memory-mib", "64",
            "--cluster", grid.Grid.Cluster, "--kv-type", "f32",
        ]);
        GenerateRequest[] requests = grid.Requests(1, seed: 7);
        int served = 0;
        while (!run.Process.HasExited)
        {
            await grid.Clients[served++ % grid.Clients.Length].RunAsync(requests[0]);
        }

        Assert.Equal(1, await run.WaitForExitAsync(TimeSpan.FromSeconds(60)));

        // Beside lines of the log: what the engine runs on and, on a busy machine, how Orleans' silo feels, or which devices it does not know yet.
        string[] levels = ["info: ", "warn: ", "fail: "];
        string sentence = Assert.Single(
            run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => !Array.Exists(levels, level => line.StartsWith(level, StringComparison.Ordinal)));
        Assert.Matches("may not serve grid-tiny in this grid: its KV type is F32, that of .* is F16", sentence);
        Assert.True(served > 0);
    }

    private const string Opened = "servinggrid_prefill_breaker_opened_total";
    private const string Failed = "servinggrid_prefill_failures_total";
    private const string Remote = "servinggrid_prefill_decisions_total{place=\"remote\"";

    private async Task<GridStatus> StatusAsync() => await grid.Clients[0].Services.GetRequiredService<IGridClient>().GetStatusAsync();

    /// <summary>Sum of a counter over all silos, by the beginning of its name and labels.</summary>
    private async Task<double> CountAsync(string counter) => (await StatusAsync()).Devices
        .SelectMany(device => device.Details?.Counters ?? new Dictionary<string, long>())
        .Where(entry => entry.Key.StartsWith(counter, StringComparison.Ordinal))
        .Sum(entry => (double)entry.Value);

    /// <summary>The decode silos on which a prefill device has not proved itself again.</summary>
    private async Task<string[]> OutAsync() =>
        [.. (await StatusAsync()).Devices.Where(device => device.Handovers?.Peers.Any(peer => peer.Failures > 0) == true).Select(device => device.Id)];
}
