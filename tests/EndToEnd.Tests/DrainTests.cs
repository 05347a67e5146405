using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>A silo that is told to stop, once and twice, with a long request under way.</summary>
public sealed partial class DrainTests : IDisposable
{
    // Seconds of work, however long it takes until the signals come.
    private const int Answers = 16;
    private const int Tokens = 2000;
    private const int Interrupt = 2;
    private const int Terminate = 15;

    private readonly TemporaryFolder _folder = new();

    private string Cluster => "file:" + _folder.Combine("grid.db");

    [Fact]
    public async Task Terminate_Once_FinishesTheRequestThenEndsWith0()
    {
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", Cluster);
        await using SiloProcess silo = await SiloProcess.StartBundledAsync(Cluster, "both", "--drain-seconds", "120");
        Task<IReadOnlyList<JsonNode>> answer = await StartLongRequestAsync(gateway);
        silo.Signal(Terminate);

        IReadOnlyList<JsonNode> chunks = await answer;
        Assert.Equal(Answers * Tokens, (int)chunks[^1]["usage"]!["completion_tokens"]!);
        Assert.Equal(0, await silo.WaitForExitAsync(TimeSpan.FromMinutes(2)));
    }

    [Theory]
    [InlineData(Terminate, Terminate)]
    [InlineData(Interrupt, Terminate)]
    public async Task Signal_Twice_EndsAtOnce(int first, int second)
    {
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", Cluster);
        await using SiloProcess silo = await SiloProcess.StartBundledAsync(Cluster, "both", "--drain-seconds", "120");
        Task answer = await StartLongRequestAsync(gateway);
        silo.Signal(first);
        await silo.WaitForLogAsync(Draining());
        Assert.False(answer.IsCompleted, "The request is too short for this test.");

        long start = Stopwatch.GetTimestamp();
        silo.Signal(second);
        Assert.Equal(2, await silo.WaitForExitAsync(TimeSpan.FromSeconds(60)));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(20)); // it would drain for two minutes
        Assert.Contains("for the second time", silo.Output);
        Assert.False(answer.IsCompletedSuccessfully);
        Observe(answer);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Waits until all answers have begun; the task is the rest of them.</summary>
    private static async Task<Task<IReadOnlyList<JsonNode>>> StartLongRequestAsync(GatewayProcess gateway)
    {
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);
        Task<IReadOnlyList<JsonNode>> answer = gateway.StreamAsync("/v1/completions", new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["prompt"] = "Once",
            ["max_tokens"] = Tokens,
            ["n"] = Answers,
            ["ignore_eos"] = true,
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
        });
        long start = Stopwatch.GetTimestamp();
        while (Decoding().Count(await gateway.Http.GetStringAsync("/grid")) < Answers)
        {
            Assert.False(answer.IsFaulted, answer.Exception?.ToString());
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(1), gateway.Output);
            await Task.Delay(20);
        }

        return answer;
    }

    [GeneratedRegex("\"stage\":\"decode\"")]
    private static partial Regex Decoding();

    [GeneratedRegex(" drains: ")]
    private static partial Regex Draining();

    // The gateway is stopped under it: how it ends is of no interest here.
    private static void Observe(Task answer) => _ = answer.ContinueWith(task => task.Exception, TaskScheduler.Default);
}
