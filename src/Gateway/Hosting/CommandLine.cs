using System.Globalization;
using ServingGrid.Client.Clustering;
using ServingGrid.Client.Connections;
using ServingGrid.Gateway.Http;
using ServingGrid.Kernels.Cpu;

namespace ServingGrid.Gateway.Hosting;

/// <summary>The program's arguments were wrong; the message is the one sentence to print.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>Turns arguments into <see cref="GatewayOptions"/>. <c>--name value</c> and <c>--name=value</c> are the same.</summary>
internal static class CommandLine
{
    public const string Help = $"""
        Serves a model over the OpenAI API.

        usage: ServingGrid.Gateway [options]

          --cluster STORE     serve what the silos of this grid serve: file:PATH, redis:HOST:PORT or
                              azure-table:CONNECTION                  (default: local, a silo in this process)
          --cluster-id ID     separates grids that share a store      (default: servinggrid)
                              SERVINGGRID_CLUSTER_SECRET holds the secret that silos and gateways prove
                              to each other; needed unless all of them are on the loopback interface
          --urls URL[;URL]    where to listen; port 0 takes any free  (default: {GatewayOptions.DefaultUrl})
          --api-key KEY       ask for this key on /v1/* and /grid; may be given several times
                              (or {GatewayOptions.ApiKeyVariable}=KEY[,KEY], which no process list shows)
          --allowed-hosts HOST[,HOST]
                              while no API key is set: names that clients may know this gateway by,
                              besides localhost and IP addresses
          --max-connections N connections at a time                   (default: what ulimit -n leaves, at most 10000)
          --reader-seconds N  a client that takes nothing of its answer for so long is given up
                                                                      (default: 30; 2 … 3600)
          --numerics-change P what becomes of an answer when no device of its numerics class is left:
                              allow (it goes on with other tokens under another system_fingerprint)
                              or refuse (it ends with a 503)          (default: allow; with --cluster: refuse)
          --verbose           log more than warnings
          --help              show this text

        For the silo in this process:

          --model PATH        the GGUF file to serve                  (default: the bundled toy model)
          --name NAME         the name that clients ask for           (default: the file's, without extension)
          --device NAME       the device to serve it on               (default: auto, the fastest there is)
          --list-devices      show the devices of this machine
          --threads N         threads of a CPU device                 (default: one for each core)
          --compute-cores LIST
                              cores of the compute threads, one for each (1 or 2-5,8);
                              all else stays off them                 (default: any)
          --compute-priority P
                              normal, or low: compute only where nothing else wants the core
          --context N         longest prompt and answer, in tokens    (default: what the model was made for)
          --max-sequences N   requests that are computed at a time    (default: 64)
          --max-waiting N     requests that wait; more get a 429      (default: 256)
        """;

    private static readonly string[] SiloNames = ["--model", "--name", "--device", "--threads", "--compute-cores", "--compute-priority", "--context", "--max-sequences", "--max-waiting"];

    private static readonly string[] Names =
    [
        .. SiloNames, "--cluster", "--cluster-id", "--urls", "--api-key", "--allowed-hosts", "--max-connections", "--reader-seconds", "--numerics-change",
        "--verbose", "--help",
    ];

    public static bool AsksForHelp(IEnumerable<string> args) => args.Any(arg => arg is "--help" or "-h" or "-?");

    public static bool AsksForDevices(IEnumerable<string> args) => args.Contains("--list-devices");

    /// <param name="args">The program's arguments.</param>
    /// <param name="environment">Reads an environment variable.</param>
    /// <exception cref="UsageException">Unknown, incomplete or out of range.</exception>
    public static GatewayOptions Parse(IReadOnlyList<string> args, Func<string, string?> environment)
    {
        var options = new GatewayOptions { ApiKeys = SplitList(environment(GatewayOptions.ApiKeyVariable) ?? "", ',') };
        options = options with { Cluster = options.Cluster with { Secret = environment(ClusterSecret.Variable) ?? "" } };
        var given = new List<string>();
        for (int i = 0; i < args.Count; i++)
        {
            string[] parts = args[i].Split('=', 2);
            string name = parts[0];
            if (name == "--verbose" && parts.Length == 1)
            {
                options = options with { Verbose = true };
                continue;
            }

            if (!Names.Contains(name))
            {
                throw new UsageException($"Unknown option '{args[i]}': --help shows those that exist.");
            }

            string value = parts.Length == 2 ? parts[1] : ++i < args.Count ? args[i] : throw new UsageException($"{name} needs a value.");
            options = Apply(options, name, value);
            given.Add(name);
        }

        if (options.Cluster.Kind != ClusterKind.Local && given.Intersect(SiloNames).FirstOrDefault() is { } useless)
        {
            throw new UsageException($"{useless} has no meaning beside --cluster: the silos of the grid have the models.");
        }

        return options.Validate() is { } fault ? throw new UsageException(fault) : options;
    }

    private static GatewayOptions Apply(GatewayOptions options, string name, string value) => name switch
    {
        "--model" => options with { ModelPath = value },
        "--name" => options with { ModelName = value },
        "--device" => options with { Device = value },
        "--threads" => options with { Threads = ParseCount(name, value) },
        "--compute-cores" => options with { ComputeCores = CoreList.TryParse(value, out string fault) ?? throw new UsageException($"{name}: {fault}.") },
        "--compute-priority" => options with { ComputePriority = ParsePriority(name, value) },
        "--context" => options with { ContextLength = ParseCount(name, value) },
        "--max-sequences" => options with { MaxSequences = ParseCount(name, value) },
        "--max-waiting" => options with { MaxWaiting = ParseCount(name, value) },
        "--cluster" =>
            options with { Cluster = ParseCluster(value) with { ClusterId = options.Cluster.ClusterId, Secret = options.Cluster.Secret } },
        "--cluster-id" => options with { Cluster = options.Cluster with { ClusterId = value } },
        "--urls" => options with { Urls = SplitList(value, ';') is { Length: > 0 } urls ? urls : throw new UsageException("--urls is empty.") },
        "--allowed-hosts" => options with { AllowedHosts = ParseHosts(name, value) },
        "--max-connections" => options with { MaxConnections = ParseCount(name, value) },
        "--reader-seconds" => options with { ReaderTimeout = TimeSpan.FromSeconds(ParseCount(name, value)) },
        "--api-key" => options with { ApiKeys = [.. options.ApiKeys, value] },
        "--numerics-change" => options with { AllowNumericsChange = ParseChange(name, value) },
        _ => throw new UsageException($"{name} takes no value."),
    };

    private static int ParseCount(string name, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count
            : throw new UsageException($"{name} must be a whole number, not '{value}'.");

    private static ComputePriority ParsePriority(string name, string value) => value.ToLowerInvariant() switch
    {
        "normal" => ComputePriority.Normal,
        "low" => ComputePriority.Low,
        _ => throw new UsageException($"{name} must be normal or low, not '{value}'."),
    };

    private static HashSet<string> ParseHosts(string name, string value) =>
    [
        .. SplitList(value, ',').Select(host => WebPages.Normalize(host)
            ?? throw new UsageException($"{name} has '{host}', which is not the name of a host: example.org is one.")),
    ];

    private static bool ParseChange(string name, string value) => value.ToLowerInvariant() switch
    {
        "allow" => true,
        "refuse" => false,
        _ => throw new UsageException($"{name} must be allow or refuse, not '{value}'."),
    };

    private static ClusterStore ParseCluster(string value) => ClusterStore.TryParse(value, out string error) ?? throw new UsageException(error);

    private static string[] SplitList(string value, char separator) =>
        value.Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
