using System.Net;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>A gateway and silos as processes of their own, which meet in a file.</summary>
public sealed class GridTests(BundledGateway bundled) : IDisposable
{
    private const int Rounds = 5;

    private readonly TemporaryFolder _folder = new();

    private string Cluster => "file:" + _folder.Combine("grid.db");

    [Fact]
    public async Task Chat_PrefillSiloAndDecodeSilo_AnswersAsOneProcessAndDecodeComputesNoPrompt()
    {
        await using SiloProcess prefill = await SiloProcess.StartBundledAsync(Cluster, "prefill", "--disaggregation", "always");
        await using SiloProcess decode = await SiloProcess.StartBundledAsync(Cluster, "decode", "--disaggregation", "always");
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", Cluster);
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);

        Assert.Contains($"grid     {Cluster}", gateway.Output);

        // A machine that is busy for seconds may keep the prefill silo from reporting, and the decode silo then computes prompts itself, as it
        // should: the answers are the same in any case, the count is that of a round without such a pause.
        double computed = -1;
        for (int round = 0; round < Rounds && computed != 0; round++)
        {
            double before = await decode.ReadMetricAsync("vllm:prompt_tokens_total");
            foreach (string question in (string[])["What is the capital of France?", LongQuestion()])
            {
                JsonObject Chat() => new()
                {
                    ["model"] = BundledGateway.Model,
                    ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = question }),
                    ["temperature"] = 0,
                    ["max_tokens"] = 48,
                    ["cache_salt"] = $"round {round}",
                };
                JsonNode alone = await bundled.Process.CallAsync("/v1/chat/completions", Chat());
                JsonNode grid = await gateway.CallAsync("/v1/chat/completions", Chat());

                Assert.Equal(Answer(alone), Answer(grid));
                Assert.Equal((int)alone["usage"]!["prompt_tokens"]!, (int)grid["usage"]!["prompt_tokens"]!);
            }

            computed = await decode.ReadMetricAsync("vllm:prompt_tokens_total") - before;
        }

        Assert.Equal(0, computed);
        Assert.True(await prefill.ReadMetricAsync("vllm:prompt_tokens_total") > 200);
    }

    [Fact]
    public async Task Gateway_BeforeTheFirstSiloAndAfterTheLast_SaysSoAndServesAgain()
    {
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", Cluster);
        Assert.Contains("no silo is active", await gateway.WaitForHealthAsync(HttpStatusCode.ServiceUnavailable));
        using (HttpResponseMessage early = await gateway.PostAsync("/v1/completions", Completion()))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, early.StatusCode);
        }

        string? first = null;
        for (int round = 0; round < 2; round++)
        {
            await using SiloProcess silo = await SiloProcess.StartBundledAsync(Cluster, "both");
            await gateway.WaitForHealthAsync(HttpStatusCode.OK);
            string answer = Answer(await gateway.CallAsync("/v1/completions", Completion()));
            Assert.Equal(first ??= answer, answer);

            silo.Kill();
            await gateway.WaitForHealthAsync(HttpStatusCode.ServiceUnavailable);
        }
    }

    [Fact]
    public async Task Gateway_NoSiloDecodes_UnhealthyAndSaysWhy()
    {
        await using SiloProcess prefill = await SiloProcess.StartBundledAsync(Cluster, "prefill");
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", Cluster);
        string health = await gateway.WaitForHealthAsync(HttpStatusCode.ServiceUnavailable);
        while (health.Contains("can be reached"))
        {
            health = await gateway.WaitForHealthAsync(HttpStatusCode.ServiceUnavailable);
        }

        Assert.Contains($"No device of grid-tiny takes requests: {prefill.Device} computes prompts only.", health);
        await using SiloProcess decode = await SiloProcess.StartBundledAsync(Cluster, "decode");
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);
    }

    public void Dispose() => _folder.Dispose();

    private static JsonObject Completion() => new() { ["model"] = BundledGateway.Model, ["prompt"] = "Once upon", ["max_tokens"] = 16, ["temperature"] = 0 };

    private static string LongQuestion() => string.Join(' ', Enumerable.Range(1, 60).Select(i => $"{i} plus {i}?"));

    private static string Answer(JsonNode response) =>
        (string)(response["choices"]![0]!["text"] ?? response["choices"]![0]!["message"]!["content"])!;
}
