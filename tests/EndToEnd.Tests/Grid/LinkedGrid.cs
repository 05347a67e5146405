using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client.Connections;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;
using ServingGrid.Testing.Network;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>Where the decode silos' prompts were computed so far.</summary>
/// <param name="Remote">By the prefill silo, from beginning to end.</param>
/// <param name="Failed">Begun by the prefill silo, and given up.</param>
/// <param name="Fallback">By a decode silo, for want of a prefill silo that answers.</param>
internal readonly record struct Prefills(double Remote, double Failed, double Fallback);

/// <summary>
/// Two decode silos here and a prefill silo beyond a link: everything between them crosses it, calls, membership and KV blocks. There are two
/// here so that they outvote the one there about who is dead.
/// </summary>
internal sealed class LinkedGrid : IAsyncDisposable
{
    private const string Secret = "network-fault-tests";
    private const string SecretVariable = $"{ClusterSecret.Variable}={Secret}";
    private const int Requests = 6;

    /// <summary>No answer takes so long, whatever happens to the link: more is a hang.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private readonly ProcessGrid _grid;
    private readonly Action<string> _log;
    private IHost _client = null!;
    private int[][] _expected = [];

    private LinkedGrid(ImpairedLink link, Action<string> log)
    {
        (Link, _log) = (link, log);
        _grid = new ProcessGrid($"file:{_folder.Combine("grid.db")}") { Secret = Secret };
    }

    public ImpairedLink Link { get; }

    /// <summary>The prefill silo that was started last.</summary>
    public SiloProcess Prefill => _grid.Silos.Last(silo => silo.Role == "prefill");

    private IEnumerable<SiloProcess> Decodes => _grid.Silos.Where(silo => silo.Role == "decode");

    /// <summary>Starts everything over a good link, and notes what the requests answer there with their prompts computed remotely.</summary>
    /// <param name="log">Told in the end what all silos printed.</param>
    /// <param name="seed">Which frames will be lost.</param>
    public static async Task<LinkedGrid> StartAsync(Action<string> log, int seed = 1)
    {
        var started = new LinkedGrid(await ImpairedLink.CreateAsync(seed), log);
        try
        {
            await started.StartSilosAsync();
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs requests at once and checks that they answer what they answered undisturbed. Nobody has the blocks of another salt.</summary>
    public async Task CheckAsync(string salt)
    {
        int[][] tokens = await RunAsync(salt);
        for (int i = 0; i < _expected.Length; i++)
        {
            Assert.Equal(_expected[i], tokens[i]);
        }
    }

    /// <summary>The same again and again for at least a time; how often.</summary>
    public async Task<int> CheckForAsync(TimeSpan time, string salt)
    {
        long start = Stopwatch.GetTimestamp();
        int rounds = 0;
        do
        {
            await CheckAsync($"{salt}-{rounds++}");
        }
        while (Stopwatch.GetElapsedTime(start) < time);

        return rounds;
    }

    /// <summary>Waits until prompts are computed by the prefill silo again.</summary>
    /// <param name="mayBeDead">True when it may find itself declared dead, sooner or later, and ends then: an init system would start it again.</param>
    public async Task ReturnToRemoteAsync(bool mayBeDead)
    {
        await WaitForRemoteAsync((await CountAsync()).Remote + Requests, "afterwards", mayBeDead);
        Assert.DoesNotContain(Decodes, silo => silo.HasExited);
    }

    /// <summary>As the decode silos count.</summary>
    public async Task<Prefills> CountAsync()
    {
        double remote = 0, failed = 0, fallback = 0;
        foreach (SiloProcess decode in Decodes)
        {
            remote += await decode.ReadMetricAsync("servinggrid_prefill_decisions_total", "place=\"remote\"");
            failed += await decode.ReadMetricAsync("servinggrid_prefill_failures_total");
            fallback += await decode.ReadMetricAsync("servinggrid_prefill_decisions_total", "place=\"local-fallback\"");
        }

        return new Prefills(remote - failed, failed, fallback);
    }

    /// <summary>What membership holds of every silo that was ever there.</summary>
    public async Task<IReadOnlyCollection<SiloStatus>> MembersAsync() =>
        (await _client.Services.GetRequiredService<IGrainFactory>().GetGrain<IManagementGrain>(0).GetHosts().WaitAsync(Patience)).Values;

    public async ValueTask DisposeAsync()
    {
        _log(_grid.Output);
        await _grid.DisposeAsync();
        await Link.DisposeAsync();
        _folder.Dispose();
    }

    private async Task StartSilosAsync()
    {
        await Task.WhenAll(StartPrefillAsync(), StartDecodeAsync(), StartDecodeAsync());
        _client = await _grid.ConnectAsync();
        await _client.WaitForMembersAsync(3, Patience);
        _expected = await RunAsync("undisturbed");
        await WaitForRemoteAsync(Requests, "first", mayBeDead: false);
    }

    private Task<SiloProcess> StartPrefillAsync() =>
        _grid.StartSiloInAsync([.. Link.Beyond.Launcher, "env", SecretVariable], "prefill", "--address", $"{Link.FarAddress}");

    private Task<SiloProcess> StartDecodeAsync() =>
        _grid.StartSiloInAsync(["env", SecretVariable], "decode", "--address", $"{Link.NearAddress}", "--disaggregation", "always");

    private async Task WaitForRemoteAsync(double count, string salt, bool mayBeDead)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; (await CountAsync()).Remote < count; i++)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, $"{await CountAsync()}");
            await CheckAsync($"{salt}-{i}");
            if (mayBeDead && Prefill.HasExited)
            {
                await StartPrefillAsync();
            }
        }
    }

    private async Task<int[][]> RunAsync(string salt)
    {
        StreamResult[] results = await Task.WhenAll(Enumerable.Range(0, Requests).Select(i =>
        {
            int[] prompt = GridRequests.Prompt(100 + (150 * i), new Random(i));
            return _client.RunAsync(GridRequests.Create(_grid.ModelName, prompt, 40, i) with { CacheSalt = salt });
        })).WaitAsync(Patience);
        return [.. results.Select(result => result.Tokens)];
    }
}
