using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using ServingGrid.Client.Connections;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Strangers;

/// <summary>A thousand connections that say nothing, or half of something, to processes that may have 1,024 files open.</summary>
public sealed class IdleConnectionsTests : IDisposable
{
    private const int OpenFilesOfAProcess = 1024;
    private const int Connections = 1000;

    // What a crowd leaves behind: code that was compiled for it, and buffers of the web server.
    private const double Left = 64;

    private static readonly byte[] Nothing = [];
    private static readonly byte[] HalfAHeader = "POST /v1/completions HTTP/1.1\r\nHost: 127"u8.ToArray();
    private static readonly byte[] HalfABody =
        "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{\"model\":"u8.ToArray();

    // A length, and nothing of what it announces.
    private static readonly byte[] HalfAPreamble = [0x20, 0, 0, 0];

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Gateway_AThousandIdleConnections_StreamsGoOnAndNewClientsAreServed()
    {
        SkipUnlessPossible();
        await using GatewayProcess gateway = await GatewayProcess.StartInAsync(LinuxProcess.WithOpenFiles(OpenFilesOfAProcess));
        var streams = new NormalStreams(gateway);
        await streams.LearnAsync();
        double before = LinuxProcess.ResidentMegabytes(gateway.Process.Id);

        using (Crowd crowd = await GatherBesideAsync(streams, gateway.Address.Port, Nothing, HalfAHeader, HalfABody))
        {
            await AssertServesNewClientsAsync(gateway);
        }

        await AssertServesNewClientsAsync(gateway);
        await LinuxProcess.WaitForMemoryAsync(gateway.Process.Id, before + Left);
        Assert.False(gateway.Process.HasExited, gateway.Output);
    }

    [Fact]
    public async Task Silo_AThousandHalfPreamblesOnEachPort_StreamsGoOnAndAnotherSiloJoins()
    {
        SkipUnlessPossible();
        string cluster = "file:" + _folder.Combine("grid.db");
        await using SiloProcess silo = await SiloProcess.StartAsync(
            LinuxProcess.WithOpenFiles(OpenFilesOfAProcess),
            "both", "--model", ModelFiles.Bundled, "--device", "cpu", "--threads", "1", "--kv-memory-mib", "64", "--cluster", cluster);
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", cluster);
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);
        var streams = new NormalStreams(gateway);
        await streams.LearnAsync();
        double before = LinuxProcess.ResidentMegabytes(silo.Id);

        int[] ports = LinuxProcess.ListeningPorts(silo.Id);
        Assert.Equal(4, ports.Length); // silos, clients, KV blocks, status
        var crowds = new List<Crowd>();
        try
        {
            foreach (int port in ports)
            {
                crowds.Add(await GatherBesideAsync(streams, port, HalfAPreamble, Nothing));
            }

            // While all of them are there.
            await using SiloProcess second = await SiloProcess.StartBundledAsync(cluster, "both");
            await AssertServesNewClientsAsync(gateway);
            Assert.Equal("ok", await silo.Status.GetStringAsync("/health"));
        }
        finally
        {
            crowds.ForEach(crowd => crowd.Dispose());
        }

        await AssertServesNewClientsAsync(gateway);
        await LinuxProcess.WaitForMemoryAsync(silo.Id, before + Left);
        Assert.False(silo.HasExited, silo.Output);
    }

    public void Dispose() => _folder.Dispose();

    private static void SkipUnlessPossible()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        Assert.SkipUnless(OpenFiles.Limit > 5 * Connections, $"needs more than {5 * Connections} open files (ulimit -n)");
    }

    private static async Task<Crowd> GatherBesideAsync(NormalStreams streams, int port, params byte[][] openings)
    {
        Task<Crowd> gathering = Crowd.GatherAsync(port, Connections, openings);
        try
        {
            await streams.CheckBesideAsync(gathering);
        }
        catch when (gathering.IsCompletedSuccessfully)
        {
            gathering.Result.Dispose();
            throw;
        }

        return await gathering;
    }

    private static async Task AssertServesNewClientsAsync(GatewayProcess gateway)
    {
        for (int i = 0; i < 8; i++)
        {
            // A connection of its own, as a client has that comes now; and no deadline of an idle one frees its place so soon.
            using var http = new HttpClient { BaseAddress = gateway.Address, Timeout = TimeSpan.FromSeconds(20) };
            var body = new JsonObject { ["model"] = BundledGateway.Model, ["prompt"] = "Hello", ["max_tokens"] = 4 };
            using HttpResponseMessage response =
                await http.PostAsync("/v1/completions", new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"));
            Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}\n{gateway.Output}");
        }
    }
}
