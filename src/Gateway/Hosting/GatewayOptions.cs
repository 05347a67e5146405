using System.Net;
using ServingGrid.Client.Clustering;
using ServingGrid.Client.Connections;
using ServingGrid.Gateway.Http;
using ServingGrid.Kernels.Cpu;

namespace ServingGrid.Gateway.Hosting;

/// <summary>What a gateway process is started with.</summary>
internal sealed record GatewayOptions
{
    public const string DefaultUrl = "http://127.0.0.1:8080";
    public const int MaxThreads = 1024;
    public const int MostConnections = 10_000;

    /// <summary>The web server looks for slow clients once a second, and takes no shorter patience than two rounds.</summary>
    public const int ShortestReaderSeconds = 2;
    public const int LongestReaderSeconds = 3600;
    public const string ApiKeyVariable = "SERVINGGRID_API_KEY";

    /// <summary>The grid to be a client of; <see cref="ClusterKind.Local"/>: a silo in this process.</summary>
    public ClusterStore Cluster { get; init; } = ClusterStore.Local;

    /// <summary>The model file that the embedded silo serves.</summary>
    public string ModelPath { get; init; } = BundledModel;

    /// <summary>Under which clients ask for it; null: the file's name without extension.</summary>
    public string? ModelName { get; init; }

    /// <summary>The embedded silo's device ("cpu", …); "auto" is the fastest there is.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Threads of a CPU device; null: one for each core.</summary>
    public int? Threads { get; init; }

    /// <summary>Cores of a CPU device's threads, one for each; empty: any.</summary>
    public IReadOnlyList<int> ComputeCores { get; init; } = [];

    /// <summary>How a CPU device's threads compete with others.</summary>
    public ComputePriority ComputePriority { get; init; }

    /// <summary>Longest prompt and answer together, in tokens; null: what the model was made for.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Most requests that are computed at a time; null: the engine's default.</summary>
    public int? MaxSequences { get; init; }

    /// <summary>Most requests that wait; beyond it they are refused. Null: the engine's default.</summary>
    public int? MaxWaiting { get; init; }

    /// <summary>Where to listen; port 0 takes any free one.</summary>
    public IReadOnlyList<string> Urls { get; init; } = [DefaultUrl];

    /// <summary>Keys that may call <c>/v1/*</c> and <c>/grid</c>; empty: anyone may.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>
    /// Names that the gateway goes by, besides addresses and localhost: see <see cref="WebPages"/>, which also says in which form they are
    /// here.
    /// </summary>
    public IReadOnlySet<string> AllowedHosts { get; init; } = new HashSet<string>();

    /// <summary>Most connections at a time; null: what the limit of open files leaves.</summary>
    public int? MaxConnections { get; init; }

    /// <summary>For so long a client may take nothing of its answer before it is given up.</summary>
    public TimeSpan ReaderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether an answer whose class of arithmetic has no device left goes on in another (<see
    /// cref="Client.GridClientOptions.AllowNumericsChange"/>). Null: with the silo in this process, for want of another, and not with those
    /// of a grid.
    /// </summary>
    public bool? AllowNumericsChange { get; init; }

    /// <summary>Log requests and the runtime, not only warnings.</summary>
    public bool Verbose { get; init; }

    /// <summary>Largest body of a request, in bytes.</summary>
    public long MaxBodyBytes { get; init; } = 16 << 20;

    /// <summary>The model that comes with the program, beside its binaries.</summary>
    public static string BundledModel => Path.Combine(AppContext.BaseDirectory, "models", "grid-tiny.gguf");

    /// <summary>What <see cref="MaxConnections"/> is when it is not chosen.</summary>
    public static int DefaultMaxConnections => Math.Clamp(OpenFiles.ForConnections, OpenFiles.FewestConnections, MostConnections);

    /// <summary>Null when everything is in range, else one sentence.</summary>
    public string? Validate()
    {
        if (Cluster.Kind == ClusterKind.Local && !File.Exists(ModelPath))
        {
            return $"There is no model file '{ModelPath}'.";
        }

        if (Cluster.ClusterId.Length == 0)
        {
            return "--cluster-id is empty.";
        }

        if (Threads is < 1 or > MaxThreads)
        {
            return $"--threads must be in 1 … {MaxThreads}.";
        }

        if (ContextLength is < 2 || MaxSequences is < 1 || MaxWaiting is < 1)
        {
            return "--context must be at least 2, --max-sequences and --max-waiting at least 1.";
        }

        if (ClusterSecret.Validate(Cluster.Secret) is { } secretFault)
        {
            return secretFault;
        }

        if (OpenFiles.Validate() is { } filesFault)
        {
            return filesFault;
        }

        int most = Math.Min(MostConnections, OpenFiles.ForConnections);
        if (MaxConnections is { } connections && (connections < 2 || connections > most))
        {
            return $"--max-connections must be in 2 … {most}: this process may have {OpenFiles.Limit} files open.";
        }

        if (ReaderTimeout < TimeSpan.FromSeconds(ShortestReaderSeconds) || ReaderTimeout > TimeSpan.FromSeconds(LongestReaderSeconds))
        {
            return $"--reader-seconds must be in {ShortestReaderSeconds} … {LongestReaderSeconds}.";
        }

        if (ApiKeys.Any(string.IsNullOrWhiteSpace))
        {
            return "An API key is empty.";
        }

        return Urls.Select(ValidateUrl).FirstOrDefault(fault => fault is not null);
    }

    private static string? ValidateUrl(string url)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) || uri.Scheme != Uri.UriSchemeHttp)
        {
            return $"--urls has '{url}', which is not of the form http://ADDRESS:PORT.";
        }

        return uri.AbsolutePath != "/" || uri.Query.Length > 0
            ? $"--urls has '{url}': a path cannot be listened on."
            : uri.Host != "localhost" && !IPAddress.TryParse(uri.Host.Trim('[', ']'), out _)
                ? $"--urls has '{url}': the address must be an IP address or localhost."
                : null;
    }
}
