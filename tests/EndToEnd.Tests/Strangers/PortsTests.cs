using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ServingGrid.Client.Connections;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Strangers;

/// <summary>What listens, and who is let in.</summary>
public sealed class PortsTests : IDisposable
{
    private const string Secret = "the secret of this test's grid";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();

    private string Cluster => "file:" + _folder.Combine("grid.db");

    [Fact]
    public async Task Gateway_OneProcess_ListensForHttpAndNothingElse()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--api-key", "key");
        Assert.Equal([gateway.Address.Port], LinuxProcess.ListeningPorts(gateway.Process.Id));
    }

    [Theory]
    [InlineData("")]
    [InlineData("another secret, just as long")]
    public async Task Grid_WithASecret_SilosAndGatewaysWithoutItAreRefusedAtTheDoor(string wrong)
    {
        await using SiloProcess silo = await StartSiloAsync();
        await using GatewayProcess gateway = await GatewayProcess.StartInAsync(["env", Variable(Secret)], "--cluster", Cluster);
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);

        await using ProgramRun stranger = new("env",
        [
            Variable(wrong), "dotnet", Path.Combine(AppContext.BaseDirectory, "ServingGrid.Silo.dll"),
            "--model", ModelFiles.Bundled, "--cluster", Cluster,
        ]);
        int code = await stranger.WaitForExitAsync(Patience);
        Assert.True(code == 1, $"{code}\n{stranger.Output}{stranger.Error}");
        Assert.Contains("it has another cluster secret (see SERVINGGRID_CLUSTER_SECRET).", stranger.Error);
        Assert.DoesNotContain(" at ServingGrid", stranger.Error);

        await using GatewayProcess outsider = await GatewayProcess.StartInAsync(["env", Variable(wrong)], "--cluster", Cluster);
        string reason;
        long start = Stopwatch.GetTimestamp();
        while (!(reason = await outsider.WaitForHealthAsync(HttpStatusCode.ServiceUnavailable)).Contains(
            "it has another cluster secret", StringComparison.Ordinal))
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, reason);
            await Task.Delay(100);
        }

        // Those that know it go on, and more of them come.
        await using SiloProcess second = await StartSiloAsync();
        using HttpResponseMessage models = await gateway.Http.GetAsync("/v1/models");
        Assert.Equal(HttpStatusCode.OK, models.StatusCode);
    }

    [Fact]
    public async Task Silo_ClientWithoutTheGridsHandshake_HearsNothingOfOrleans()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        await using SiloProcess silo = await StartSiloAsync();
        foreach (int port in LinuxProcess.ListeningPorts(silo.Id).Where(port => port != silo.Status.BaseAddress!.Port))
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port);
            NetworkStream stream = client.GetStream();
            using var patience = new CancellationTokenSource(Patience);
            byte[] greeting = new byte[64];
            var heard = new MemoryStream();
            await heard.WriteAsync(greeting.AsMemory(0, await stream.ReadAsync(greeting, patience.Token)));
            await stream.WriteAsync(new byte[512]);
            try
            {
                await stream.CopyToAsync(heard, patience.Token);
            }
            catch (IOException)
            {
                // Reset: we had sent more than it has read.
            }

            Assert.StartsWith("ServingGrid ", System.Text.Encoding.ASCII.GetString(heard.ToArray()));
            Assert.True(heard.Length < 100, $"{heard.Length} bytes from port {port}");
        }
    }

    [Theory]
    [InlineData("/health", "Host", "node-7.internal", HttpStatusCode.OK)]
    [InlineData("/metrics", "Host", "node-7.internal", HttpStatusCode.Forbidden)]
    [InlineData("/metrics", "Host", "node-8.internal", HttpStatusCode.OK)]
    [InlineData("/metrics", "Origin", "http://evil.example", HttpStatusCode.Forbidden)]
    public async Task SiloStatus_OtherNamesAndPages_AreRefused(string path, string header, string value, HttpStatusCode expected)
    {
        await using SiloProcess silo = await SiloProcess.StartBundledAsync(Cluster, "both", "--allowed-hosts", "Node-8.internal");
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation(header, value);
        using HttpResponseMessage response = await silo.Status.SendAsync(request);
        Assert.Equal(expected, response.StatusCode);
    }

    [Fact]
    public async Task Start_FewerOpenFilesThanItNeeds_OneSentence()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "limits of Linux");
        string[] line =
        [
            .. LinuxProcess.WithOpenFiles(OpenFiles.Reserve),
            "dotnet", Path.Combine(AppContext.BaseDirectory, "ServingGrid.Gateway.dll"), "--urls", "http://127.0.0.1:0",
        ];
        await using ProgramRun run = new(line[0], line[1..]);
        Assert.Equal(1, await run.WaitForExitAsync(Patience));
        Assert.Contains("(ulimit -n)", Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    public void Dispose() => _folder.Dispose();

    private static string Variable(string secret) => $"{ClusterSecret.Variable}={secret}";

    private Task<SiloProcess> StartSiloAsync() => SiloProcess.StartAsync(
        ["env", Variable(Secret)],
            "both", "--model", ModelFiles.Bundled, "--device", "cpu", "--threads", "1", "--kv-memory-mib", "64", "--cluster", Cluster);
}
