using System.Globalization;
using System.Net;
using ServingGrid.Client.Clustering;
using ServingGrid.Client.Connections;
using ServingGrid.Gateway.Http;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;

namespace ServingGrid.Silo;

/// <summary>What a silo process is started with.</summary>
internal sealed record SiloOptions
{
    /// <summary>What "--help" prints.</summary>
    public const string Help = """
        Usage: ServingGrid.Silo --model PATH --cluster STORE [options]

          --model PATH            GGUF file
          --model-name NAME       name for clients (default: the file's name)
          --role ROLE             prefill, decode or both (default: both)
          --device DEVICE         auto (the fastest), cpu (default), cuda:N, opencl:N or ilgpu-cpu
          --list-devices          show the devices of this machine
          --threads N             threads of a CPU device (default: one for each core)
          --compute-cores LIST    cores of the compute threads, one for each (1 or 2-5,8); all else stays off them (default: any)
          --compute-priority P    normal (default) or low: compute only where nothing else wants the core
          --cluster STORE         file:PATH, redis:HOST:PORT or azure-table:CONNECTION
          --cluster-id ID         separates grids that share a store (default: servinggrid)
          --address IP            address that other processes reach this one at (default: 127.0.0.1)
          --port N                port for silos (default: a free one)
          --gateway-port N        port for clients (default: a free one)
          --urls URL              address of /health and /metrics (default: http://127.0.0.1:0)
          --allowed-hosts HOST[,HOST]
                                  names that clients may know that address by, besides localhost and IP addresses
          --kv-memory-mib N       size of the KV cache, all of which is taken from the start on (default: some full contexts, taken as they are used)
          --kv-type TYPE          f16 (default), f32, or q8: half the memory of f16, CPU devices only
          --context N             longest sequence in tokens
          --batch-tokens N        most tokens of a step (default: 512, or 128 more than --max-sequences)
          --mixed-step-ms N       what a step that computes prompts beside running streams may take (default: 50; decode role: 10)
          --max-sequences N       most sequences computed at a time
          --max-waiting N         most sequences that wait
          --routing POLICY        kv-aware (default), round-robin, least-loaded or power-of-two
          --disaggregation MODE   auto (default), always or never: where prompts are computed
          --prefill-attempts N    prefill silos tried before a prompt is computed locally (default: 2)
          --prefill-seconds N     longest that one of them may take (default: 60)
          --prefill-silence-ms N  a silo that reports nothing for so long is given up (default: 1500)
          --breaker-failures N    failures in a row that take a prefill silo out (default: 3)
          --breaker-seconds N     for so long at first, twice as long each time (default: 2)
          --breaker-max-seconds N and for so long at most (default: 60)
          --kv-port N             port for KV blocks (default: a free one)
          --drain-seconds N       time for running requests to finish on SIGTERM (default: 20)
          --verbose               log more

        SERVINGGRID_CLUSTER_SECRET holds the secret that silos and gateways prove to each other on every connection; without it
        they must all be on the loopback interface.
        """;

    public required WorkerOptions Worker { get; init; }

    public required ClusterStore Cluster { get; init; }

    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>0: any free one.</summary>
    public int Port { get; init; }

    public int GatewayPort { get; init; }

    /// <summary>Where /health and /metrics are.</summary>
    public string Urls { get; init; } = "http://127.0.0.1:0";

    /// <summary>Names that <see cref="Urls"/> go by, besides addresses and localhost.</summary>
    public IReadOnlySet<string> AllowedHosts { get; init; } = new HashSet<string>();

    public TimeSpan Drain { get; init; }

    public bool Verbose { get; init; }

    /// <exception cref="StartupException">An argument makes no sense; one sentence says which.</exception>
    public static SiloOptions Parse(string[] arguments)
    {
        Arguments read = new(arguments);
        string cluster = read.Text("--cluster") ?? throw new StartupException("--cluster is missing: file:PATH, redis:HOST:PORT or azure-table:CONNECTION.");
        ClusterStore store = ClusterStore.TryParse(cluster, out string error) ?? throw new StartupException(error);
        if (store.Kind == ClusterKind.Local)
        {
            throw new StartupException("--cluster must be file:PATH, redis:HOST:PORT or azure-table:CONNECTION: a local grid is one process, with a gateway in it.");
        }

        IPAddress address = read.Text("--address") is not { } text ? IPAddress.Loopback
            : IPAddress.TryParse(text, out IPAddress? ip) ? ip
            : throw new StartupException($"--address must be an IP address, not '{text}'.");
        string secret = Environment.GetEnvironmentVariable(ClusterSecret.Variable) ?? "";
        SiloShares shares = SiloShares.Of(OpenFiles.ForConnections);
        SiloOptions options = new()
        {
            Worker = new WorkerOptions
            {
                ModelPath = read.Text("--model") ?? throw new StartupException("--model is missing: the path of a GGUF file."),
                ModelName = read.Text("--model-name"),
                Role = read.Choice<DeviceRole>("--role") ?? DeviceRole.Both,
                Device = read.Text("--device") ?? "cpu",
                Threads = read.Number("--threads", 0, 1024) ?? 0,
                ComputeCores = read.Cores("--compute-cores") ?? [],
                ComputePriority = read.Choice<ComputePriority>("--compute-priority") ?? ComputePriority.Normal,
                KvMemoryBytes = read.Number("--kv-memory-mib", 1, 1 << 24) is { } mib ? (long)mib << 20 : null,
                KvType = read.Choice<KvType>("--kv-type") ?? KvType.F16,
                ContextLength = read.Number("--context", 2, int.MaxValue),
                MaxBatchTokens = read.Number("--batch-tokens", 1, 65536),
                MaxSequences = read.Number("--max-sequences", 1, 4096) ?? 64,
                MixedStepTarget = read.Number("--mixed-step-ms", 1, 60_000) is { } step ? TimeSpan.FromMilliseconds(step) : null,
                MaxWaiting = read.Number("--max-waiting", 1, 1 << 20) ?? 256,
                RoutingPolicy = read.Text("--routing") ?? "kv-aware",
                Disaggregation = Disaggregation(read),
                Transfer = new KvTransferOptions
                {
                    Listen = new IPEndPoint(address, read.Number("--kv-port", 0, 65535) ?? 0),
                    ClusterSecret = secret,
                    MaxConnections = shares.KvPeers,
                    MaxStrangers = shares.KvStrangers,
                },
            },
            Cluster = store with { ClusterId = ClusterId(read.Text("--cluster-id")) ?? store.ClusterId, Secret = secret },
            Address = address,
            Port = read.Number("--port", 0, 65535) ?? 0,
            GatewayPort = read.Number("--gateway-port", 0, 65535) ?? 0,
            Urls = read.Text("--urls") ?? "http://127.0.0.1:0",
            AllowedHosts = Hosts(read.Text("--allowed-hosts")),
            Drain = TimeSpan.FromSeconds(read.Number("--drain-seconds", 0, 3600) ?? 20),
            Verbose = read.Flag("--verbose"),
        };
        read.RefuseRest();
        return OpenFiles.Validate() is { } fault ? throw new StartupException(fault) : options;
    }

    private static HashSet<string> Hosts(string? text) =>
    [
        .. (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(host =>
            WebPages.Normalize(host)
            ?? throw new StartupException($"--allowed-hosts has '{host}', which is not the name of a host.")),
    ];

    private static string? ClusterId(string? text) => text is { Length: 0 } ? throw new StartupException("--cluster-id is empty.") : text;

    private static DisaggregationOptions Disaggregation(Arguments read)
    {
        DisaggregationOptions options = new();
        return new DisaggregationOptions
        {
            Mode = read.Choice<DisaggregationMode>("--disaggregation") ?? options.Mode,
            Attempts = read.Number("--prefill-attempts", 1, 16) ?? options.Attempts,
            PrefillTimeout = Seconds("--prefill-seconds") ?? options.PrefillTimeout,
            PrefillSilence = read.Number("--prefill-silence-ms", 500, 60_000) is { } silence ? TimeSpan.FromMilliseconds(silence) : options.PrefillSilence,
            BreakerFailures = read.Number("--breaker-failures", 1, 1000) ?? options.BreakerFailures,
            BreakerTime = Seconds("--breaker-seconds") ?? options.BreakerTime,
            BreakerMaxTime = Seconds("--breaker-max-seconds") ?? options.BreakerMaxTime,
        };

        TimeSpan? Seconds(string name) => read.Number(name, 1, 3600) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
    }

    /// <summary>Arguments of the form "--name value", each taken once.</summary>
    private sealed class Arguments(string[] arguments)
    {
        private readonly List<string> _rest = [.. arguments];

        public string? Text(string name)
        {
            int at = _rest.IndexOf(name);
            if (at < 0)
            {
                return null;
            }

            if (at + 1 == _rest.Count || _rest[at + 1].StartsWith("--", StringComparison.Ordinal))
            {
                throw new StartupException($"{name} needs a value.");
            }

            string value = _rest[at + 1];
            _rest.RemoveRange(at, 2);
            return value;
        }

        public int? Number(string name, int from, int to) => Text(name) is not { } text ? null
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= from && value <= to ? value
            : throw new StartupException($"{name} must be a number in {from} … {to}, not '{text}'.");

        public T? Choice<T>(string name)
            where T : struct, Enum => Text(name) is not { } text ? null
            : Enum.TryParse(text, ignoreCase: true, out T value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0]) ? value
            : throw new StartupException($"{name} must be one of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}, not '{text}'.");

        public IReadOnlyList<int>? Cores(string name)
        {
            string fault = "";
            return Text(name) is not { } text ? null : CoreList.TryParse(text, out fault) ?? throw new StartupException($"{name}: {fault}.");
        }

        public bool Flag(string name) => _rest.Remove(name);

        public void RefuseRest()
        {
            if (_rest.Count > 0)
            {
                throw new StartupException($"'{_rest[0]}' is not an option, or is given twice; --help lists them.");
            }
        }
    }
}
