using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests.Strangers;

/// <summary>Clients that ask for a long answer and do not read it.</summary>
public sealed partial class SilentReadersTests
{
    private const int Readers = 200;
    private const int Tokens = 3000;
    private const double Left = 96;

    [Fact]
    public async Task Readers_TwoHundredThatStopReading_AreGivenUpWhileStreamsGoOn()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        await using GatewayProcess gateway =
            await GatewayProcess.StartAsync("--reader-seconds", "3", "--max-sequences", "256", "--max-waiting", "256");
        var streams = new NormalStreams(gateway);
        await streams.LearnAsync();
        await TakeMemoryAsync(gateway);
        double before = LinuxProcess.ResidentMegabytes(gateway.Process.Id);
        double generated = await gateway.ReadMetricAsync("vllm:generation_tokens_total");

        var readers = new List<Socket>();
        try
        {
            await streams.CheckBesideAsync(StopReadingAsync(gateway, readers));
        }
        finally
        {
            readers.ForEach(reader => reader.Dispose());
        }

        await gateway.WaitForMetricAsync("vllm:num_requests_running", running => running == 0);
        await gateway.WaitForMetricAsync("servinggrid_http_requests_in_flight", inFlight => inFlight == 1); // that of the metrics
        await streams.CheckBesideAsync(Task.CompletedTask);
        Assert.True(await gateway.ReadMetricAsync("vllm:generation_tokens_total") - generated < Readers * Tokens);

        // An idle process does not collect its garbage, however little of it is still held: a large request makes it.
        var large = new StringContent($$"""{"model":"{{BundledGateway.Model}}","prompt":"{{new string('a', 12 << 20)}}"}""");
        using HttpResponseMessage tooLong = await gateway.Http.PostAsync("/v1/completions", large);
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, tooLong.StatusCode);
        await LinuxProcess.WaitForMemoryAsync(gateway.Process.Id, before + Left);
    }

    // Until all of them are given up: their connections stay open on this side.
    private static async Task StopReadingAsync(GatewayProcess gateway, List<Socket> readers)
    {
        byte[] request = Request(Tokens);
        for (int i = 0; i < Readers; i++)
        {
            var reader = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
            readers.Add(reader);
            await reader.ConnectAsync("127.0.0.1", gateway.Address.Port);
            await reader.SendAsync(request);
        }

        long start = Stopwatch.GetTimestamp();
        int dropped;
        while ((dropped = GivenUp().Count(gateway.Output)) < Readers)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(2), $"{dropped} readers were given up.\n{gateway.Output}");
            await Task.Delay(100);
        }

        Assert.Equal(Readers, await gateway.ReadMetricAsync("servinggrid_http_silent_readers_total"));
    }

    // As many sequences at a time, and their KV cache, as the readers will have: it stays, and is no leak.
    private static async Task TakeMemoryAsync(GatewayProcess gateway) =>
        await Task.WhenAll(Enumerable.Range(0, Readers).Select(i => gateway.CallAsync("/v1/completions", new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["prompt"] = $"Warm {i}",
            ["max_tokens"] = 200,
            ["ignore_eos"] = true,
            ["logprobs"] = 20,
        })));

    // Each token has some kilobytes of text, so that no buffer on the way takes many of them.
    private static byte[] Request(int tokens)
    {
        string body = new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["prompt"] = "Once",
            ["max_tokens"] = tokens,
            ["ignore_eos"] = true,
            ["logprobs"] = 20,
            ["stream"] = true,
        }.ToJsonString();
        return Encoding.ASCII.GetBytes($"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }

    [GeneratedRegex("has read nothing for 3 s")]
    private static partial Regex GivenUp();
}
