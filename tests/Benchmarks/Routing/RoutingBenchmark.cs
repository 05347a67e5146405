using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Routing;
using ServingGrid.Kernels;

namespace ServingGrid.Benchmarks.Routing;

/// <summary>
/// Time to choose a device of a large grid, from one silo's view of it, while the view takes the grid's reports as it does in service: every
/// 200 ms the load of every device, and changed blocks of a hundred of them.
/// </summary>
internal static class RoutingBenchmark
{
    private const string Model = "m";
    private const int BlockSize = 32;
    private const int PromptBlocks = 256;
    private const int Families = 500;
    private const int SharedBlocks = 64;
    private const int HashesPerRefresh = 16 * 1024;
    private const double Limit = 1;

    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(200);

    public static async Task<int> RunAsync(string[] args)
    {
        var arguments = new Arguments(args, "--devices", "--blocks", "--decisions");
        int devices = arguments.Integer("--devices", 1000);
        int blocks = arguments.Integer("--blocks", 1_000_000);
        int decisions = arguments.Integer("--decisions", 20_000);
        var view = new GridView(TimeProvider.System);
        DeviceEntry[] entries = [.. Enumerable.Range(0, devices).Select(Entry)];
        long before = GC.GetTotalMemory(forceFullCollection: true);
        long start = Stopwatch.GetTimestamp();
        Fill(view.Get(Model), entries, blocks);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Console.WriteLine($"{devices} devices, {view.Get(Model).BlockCount} distinct blocks: indexed in {seconds:F2} s, {(GC.GetTotalMemory(forceFullCollection: true) - before) >> 20} MiB; prompts of {PromptBlocks * BlockSize} tokens");
        var table = new Table("policy", "p50 µs", "p99 µs", "p99.9 µs", "max µs", $"p99 < {Limit} ms");
        bool holds = true;
        foreach (string policy in RoutingPolicies.Names)
        {
            double[] micros = await MeasureAsync(view, entries, RoutingPolicies.Create(policy), decisions);
            bool fast = micros.Quantile(.99) < Limit * 1000;
            holds &= fast;
            table.Add(policy, micros.Median(), micros.Quantile(.99), micros.Quantile(.999), micros.Max(), fast ? "yes" : "no");
        }

        table.Print(Console.Out);
        return holds ? 0 : 1;
    }

    private static async Task<double[]> MeasureAsync(GridView view, DeviceEntry[] entries, IRoutingPolicy policy, int decisions)
    {
        var router = new DeviceRouter(view, policy, TimeProvider.System, NullLogger<DeviceRouter>.Instance);
        HashSet<SiloAddress> silos = [.. entries.Select(entry => entry.Device.Silo)];
        var random = new Random(7);
        using var end = new CancellationTokenSource();
        Task refresh = Task.Run(() => RefreshAsync(view.Get(Model), entries, end.Token));
        double[] micros = new double[decisions];
        for (int i = -decisions / 10; i < decisions; i++)
        {
            ulong[] chain = Chain(random.Next(Families), random.Next());
            long start = Stopwatch.GetTimestamp();
            DeviceView? chosen = router.ChooseDecode(new RoutingQuery(Model, PromptBlocks * BlockSize, chain, []), device => silos.Contains(device.Identity.Silo));
            double elapsed = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            if (chosen is null)
            {
                throw new InvalidOperationException("No device was chosen.");
            }

            if (i >= 0)
            {
                micros[i] = elapsed;
            }
        }

        await end.CancelAsync();
        await refresh;
        return micros;
    }

    private static async Task RefreshAsync(ModelView model, DeviceEntry[] entries, CancellationToken end)
    {
        var random = new Random(11);
        long version = 1_000_000;
        while (!end.IsCancellationRequested)
        {
            // What was stored in the last round is evicted in this one: the index keeps its size.
            BlockBatch[] batches = [.. Enumerable.Range(0, 100).Select(_ => entries[random.Next(entries.Length)].Device.Id).Distinct().Select(id => new BlockBatch
            {
                Version = ++version,
                DeviceId = id,
                Reset = false,
                Stored = [.. Enumerable.Range(0, HashesPerRefresh / 200).Select(n => Hash(version, n))],
                Removed = [.. Enumerable.Range(0, HashesPerRefresh / 200).Select(n => Hash(version, n))],
            })];
            model.Apply(Update(entries, batches));
            await Task.Delay(Refresh, CancellationToken.None);
        }
    }

    // A device holds the common prefixes of ten families of prompts, and blocks of its own conversations.
    private static void Fill(ModelView model, DeviceEntry[] entries, int blocks)
    {
        int own = Math.Max((blocks - (Families * SharedBlocks)) / entries.Length, 0);
        BlockBatch[] batches = [.. entries.Select((entry, i) => new BlockBatch
        {
            Version = i + 1,
            DeviceId = entry.Device.Id,
            Reset = false,
            Stored =
            [
                .. Enumerable.Range(0, 10).SelectMany(k => Chain(((i * 7) + (k * 53)) % Families, 0)[..SharedBlocks]),
                .. Enumerable.Range(0, own).Select(n => Hash(i + 10_000_000, n)),
            ],
            Removed = [],
        })];
        model.Apply(Update(entries, batches));
    }

    /// <summary>A prompt of one family: the prefix that all of the family share, and a rest of its own.</summary>
    private static ulong[] Chain(int family, int rest) =>
        [.. Enumerable.Range(0, PromptBlocks).Select(block => block < SharedBlocks ? Hash(family, block) : Hash(rest + 20_000_000L, block))];

    // SplitMix64's finaliser (Steele, Lea and Flood, 2014): hashes that are spread as real ones are.
    private static ulong Hash(long stream, int block)
    {
        ulong z = ((ulong)stream * 0x9E3779B97F4A7C15) + ((ulong)block * 0xD1B54A32D192ED03) + 1;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private static GridUpdate Update(DeviceEntry[] entries, BlockBatch[] blocks) =>
        new() { Epoch = Guid.Empty, Version = 1, Devices = entries, Blocks = blocks, More = false, ResendBlocks = false };

    private static DeviceEntry Entry(int number) => new()
    {
        Device = new DeviceIdentity
        {
            Id = $"silo{number}/cpu",
            Silo = SiloAddress.New(IPAddress.Loopback, 1000 + number, 1),
            Hardware = "benchmark",
            Model = new ModelCard { Name = Model, Fingerprint = "f", ContextLength = 32768, VocabularySize = 100, BlockSize = BlockSize, Created = DateTimeOffset.UnixEpoch },
            KvType = KvType.F16,
            Numerics = "cpu",
        },
        Load = new DeviceLoad
        {
            Role = DeviceRole.Both,
            State = DeviceState.Serving,
            Running = number % 17,
            Waiting = 0,
            PendingPromptTokens = number % 5 * 300,
            PendingAheadOf128 = number % 5 * 300,
            PendingAheadOf512 = number % 5 * 300,
            PendingAheadOf2048 = number % 5 * 300,
            TotalBlocks = 4000,
            FreeBlocks = 4000 - (number % 13 * 200),
            PrefillTokensPerSecond = 1000,
            DecodeStepSeconds = .02,
        },
        Age = TimeSpan.Zero,
    };
}
