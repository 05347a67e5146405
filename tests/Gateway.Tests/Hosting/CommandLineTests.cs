using ServingGrid.Client.Clustering;
using ServingGrid.Client.Connections;
using ServingGrid.Gateway.Hosting;
using ServingGrid.Gateway.Tests.Support;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Testing;

namespace ServingGrid.Gateway.Tests.Hosting;

public sealed class CommandLineTests
{
    private static readonly string Model = ModelFiles.Bundled;

    [Fact]
    public void Parse_NoArguments_ServesTheBundledModelOnThisMachine()
    {
        GatewayOptions options = Parse();
        Assert.Equal(["http://127.0.0.1:8080"], options.Urls);
        Assert.True(File.Exists(options.ModelPath));
        Assert.Empty(options.ApiKeys);
        Assert.Null(options.Threads);
    }

    [Fact]
    public void Parse_AllOptions_BothSpellings()
    {
        GatewayOptions options = Parse(
            "--model", Model, "--device=cpu", "--threads", "3", "--urls=http://127.0.0.1:0;http://[::1]:5", "--api-key", "a=b", "--api-key=c", "--verbose");
        Assert.Equal((Model, "cpu", 3, true), (options.ModelPath, options.Device, options.Threads!.Value, options.Verbose));
        Assert.Equal(["http://127.0.0.1:0", "http://[::1]:5"], options.Urls);
        Assert.Equal(["a=b", "c"], options.ApiKeys);
    }

    [Fact]
    public void Parse_ComputeOptions_ReachTheWorker()
    {
        WorkerOptions worker = EmbeddedSilo.ToWorkerOptions(Parse("--model", Model, "--device=cpu", "--compute-cores", "2-3,1", "--compute-priority=low", "--threads=2"));
        Assert.Equal([2, 3, 1], worker.ComputeCores);
        Assert.Equal((ComputePriority.Low, 2), (worker.ComputePriority, worker.Threads));
    }

    [Fact]
    public void Parse_Cluster_NeedsNoModelFile()
    {
        GatewayOptions options = Parse("--cluster-id", "blue", "--cluster", "redis:localhost:6379,password=secret");
        Assert.Equal((ClusterKind.Redis, "blue"), (options.Cluster.Kind, options.Cluster.ClusterId));
        Assert.Equal("redis:localhost:6379", options.Cluster.Display);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(true, "--numerics-change", "allow")]
    [InlineData(false, "--numerics-change=refuse")]
    [InlineData(true, "--numerics-change", "allow", "--cluster", "file:x")]
    public void Parse_NumericsChange_AsSaid(bool? expected, params string[] arguments) =>
        Assert.Equal(expected, Parse(arguments).AllowNumericsChange);

    [Fact]
    public void Parse_KeysInTheEnvironment_AreTaken() =>
        Assert.Equal(["a", "b"], CommandLine.Parse([], name => name == "SERVINGGRID_API_KEY" ? "a, b" : null).ApiKeys);

    [Theory]
    [InlineData(1)]
    [InlineData(512)]
    [InlineData(4096)]
    public void Parse_MaxSequences_AnyNumberInRangeSuitsTheEngine(int sequences) =>
        Assert.Equal(sequences, EmbeddedSilo.ToWorkerOptions(Parse("--model", Model, $"--max-sequences={sequences}")).MaxSequences);

    [Theory]
    [InlineData(2)]
    [InlineData(3600)]
    public async Task Parse_ReaderSeconds_BothEndsOfTheRangeStart(int seconds)
    {
        GatewayOptions options = Parse("--model", Model, $"--reader-seconds={seconds}");
        Assert.Equal(TimeSpan.FromSeconds(seconds), options.ReaderTimeout);
        await using GatewayServer server =
            await GatewayServer.StartAsync(started => started with { ReaderTimeout = options.ReaderTimeout });
        using HttpResponseMessage health = await server.Http.GetAsync("/health");
        Assert.True(health.IsSuccessStatusCode);
    }

    [Fact]
    public async Task Parse_MaxConnections_BothEndsOfTheRangeStart()
    {
        foreach (int connections in (int[])[2, Math.Min(GatewayOptions.MostConnections, OpenFiles.ForConnections)])
        {
            GatewayOptions options = Parse("--model", Model, $"--max-connections={connections}");
            Assert.Equal(connections, options.MaxConnections);
            await using GatewayServer server =
                await GatewayServer.StartAsync(started => started with { MaxConnections = options.MaxConnections });
            using HttpResponseMessage health = await server.Http.GetAsync("/health");
            Assert.True(health.IsSuccessStatusCode);
        }
    }

    [Theory]
    [InlineData("Unknown option '--frob'", "--frob")]
    [InlineData("--reader-seconds must be in 2 … 3600.", "--reader-seconds", "1")]
    [InlineData("--reader-seconds must be in 2 … 3600.", "--reader-seconds", "3601")]
    [InlineData("--max-connections must be in 2 …", "--max-connections", "1")]
    [InlineData("--max-connections must be in 2 …", "--max-connections", "10001")]
    [InlineData("Unknown option 'model.gguf'", "model.gguf")]
    [InlineData("--model needs a value", "--model")]
    [InlineData("--threads must be a whole number", "--threads", "two")]
    [InlineData("--threads must be in 1", "--threads", "0")]
    [InlineData("--compute-cores: 'x' is not a core", "--compute-cores", "0,x")]
    [InlineData("--compute-priority must be normal or low", "--compute-priority", "high")]
    [InlineData("--compute-cores has no meaning beside --cluster", "--compute-cores", "1", "--cluster", "file:x")]
    [InlineData("--numerics-change must be allow or refuse", "--numerics-change", "yes")]
    [InlineData("There is no model file 'absent.gguf'", "--model", "absent.gguf")]
    [InlineData("--urls is empty", "--urls", "")]
    [InlineData("--urls has 'https://127.0.0.1:1'", "--urls", "https://127.0.0.1:1")]
    [InlineData("--urls has '8080'", "--urls", "8080")]
    [InlineData("--urls has 'http://example.org:80'", "--urls", "http://example.org:80")]
    [InlineData("--urls has 'http://127.0.0.1:1/x'", "--urls", "http://127.0.0.1:1/x")]
    [InlineData("An API key is empty", "--api-key", " ")]
    [InlineData("'tape:x' is not a cluster", "--cluster", "tape:x")]
    [InlineData("--threads has no meaning beside --cluster", "--threads", "2", "--cluster", "file:x")]
    [InlineData("--cluster-id is empty", "--cluster", "file:x", "--cluster-id=")]
    [InlineData("--verbose takes no value", "--verbose=1")]
    public void Parse_WrongArguments_OneSentence(string sentence, params string[] args)
    {
        var failure = Assert.Throws<UsageException>(() => Parse(args));
        Assert.StartsWith(sentence, failure.Message);
        Assert.DoesNotContain('\n', failure.Message);
    }

    private static GatewayOptions Parse(params string[] args) => CommandLine.Parse(args, _ => null);
}
