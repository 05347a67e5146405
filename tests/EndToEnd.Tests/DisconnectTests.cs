using System.ComponentModel;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

public sealed partial class DisconnectTests(BundledGateway bundled)
{
    // Seconds of work, however long it takes until somebody looks.
    private const int Answers = 32;
    private const int Tokens = 3000;

    [Fact]
    public async Task Curl_KilledInMidStream_RequestStopsAndItsBlocksAreFree()
    {
        GatewayProcess gateway = bundled.Process;
        await gateway.WaitForMetricAsync("vllm:num_requests_running", running => running == 0);
        double generatedBefore = await gateway.ReadMetricAsync("vllm:generation_tokens_total");
        double usedBefore = await gateway.ReadMetricAsync("vllm:kv_cache_usage_perc");
        await using (ProgramRun? curl = StartCurl())
        {
            Assert.SkipWhen(curl is null, "curl is not installed");
            await curl.WaitForOutputAsync(Chunk(), TimeSpan.FromSeconds(30));
            Assert.True(await gateway.ReadMetricAsync("vllm:num_requests_running") > 0);
            Assert.True(await gateway.ReadMetricAsync("vllm:kv_cache_usage_perc") > usedBefore);
        }

        await gateway.WaitForMetricAsync("vllm:num_requests_running", running => running == 0);
        await gateway.WaitForMetricAsync("vllm:kv_cache_usage_perc", used => used <= usedBefore);
        Assert.InRange(await gateway.ReadMetricAsync("vllm:generation_tokens_total") - generatedBefore, 1, (Answers * Tokens) - 1);
    }

    private ProgramRun? StartCurl()
    {
        var body = new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "Tell me a story." }),
            ["max_tokens"] = Tokens,
            ["n"] = Answers,
            ["ignore_eos"] = true,
            ["stream"] = true,
        };
        try
        {
            return new ProgramRun("curl", ["-sN", new Uri(bundled.Process.Address, "/v1/chat/completions").ToString(), "-d", body.ToJsonString()]);
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex("\"content\":\".")]
    private static partial Regex Chunk();
}
