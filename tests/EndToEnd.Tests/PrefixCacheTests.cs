using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

public sealed class PrefixCacheTests(BundledGateway bundled)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Prompt_SentTwice_SecondComputesOnlyTheRest(bool stream)
    {
        GatewayProcess gateway = bundled.Process;
        var first = await AskAsync(gateway, $"salt-{stream}", stream);
        double computedBefore = await gateway.ReadMetricAsync("vllm:prompt_tokens_total");
        var second = await AskAsync(gateway, $"salt-{stream}", stream);
        double computed = await gateway.ReadMetricAsync("vllm:prompt_tokens_total") - computedBefore;

        Assert.Equal(0, first.Cached);
        Assert.InRange(second.Cached, second.Prompt - 32, second.Prompt - 1); // whole blocks of 32, and at least one token to start from
        Assert.Equal(second.Prompt - second.Cached, computed);
        Assert.Equal(first.Text, second.Text);
    }

    [Fact]
    public async Task Prompt_OtherSalt_SharesNothing()
    {
        await AskAsync(bundled.Process, "salt-a", stream: false);
        Assert.Equal(0, (await AskAsync(bundled.Process, "salt-b", stream: false)).Cached);
    }

    private static async Task<(string Text, int Prompt, int Cached)> AskAsync(GatewayProcess gateway, string salt, bool stream)
    {
        var body = new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["prompt"] = string.Concat(Enumerable.Repeat("The capital of France is Paris. ", 40)),
            ["max_tokens"] = 4,
            ["temperature"] = 0,
            ["cache_salt"] = salt,
        };
        if (stream)
        {
            body["stream"] = true;
            body["stream_options"] = new JsonObject { ["include_usage"] = true };
            IReadOnlyList<JsonNode> chunks = await gateway.StreamAsync("/v1/completions", body);
            return Read(string.Concat(chunks.SkipLast(1).Select(chunk => (string)chunk["choices"]![0]!["text"]!)), chunks[^1]["usage"]!);
        }

        JsonNode answer = await gateway.CallAsync("/v1/completions", body);
        return Read((string)answer["choices"]![0]!["text"]!, answer["usage"]!);
    }

    private static (string Text, int Prompt, int Cached) Read(string text, JsonNode usage) =>
        (text, (int)usage["prompt_tokens"]!, (int)usage["prompt_tokens_details"]!["cached_tokens"]!);
}
