using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

public sealed class ConcurrencyTests(BundledGateway bundled)
{
    private const int Count = 64;

    [Fact]
    public async Task Streams_SixtyFourAtOnce_EachEqualsItsRunAlone()
    {
        JsonObject[] bodies = [.. Enumerable.Range(0, Count).Select(Body)];
        var alone = new List<string>();
        foreach (JsonObject body in bodies)
        {
            alone.Add(await RunAsync(body));
        }

        // Another salt: prompts are computed again, in chunks between the others' steps, not found in the cache.
        foreach (JsonObject body in bodies)
        {
            body["cache_salt"] = "together";
        }

        string[] together = await Task.WhenAll(bodies.Select(RunAsync)).WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(alone, together);
        Assert.True(alone.Distinct().Count() > Count / 2, "The answers should differ, or the test shows little.");
        await bundled.Process.WaitForMetricAsync("vllm:num_requests_running", running => running == 0);
    }

    // Prompts of 2 to 300 tokens or so, answers of 1 to 64; every second one greedy, the others sampled with a seed.
    private static JsonObject Body(int i) => new()
    {
        ["model"] = BundledGateway.Model,
        ["prompt"] = string.Concat(Enumerable.Repeat($"Story {i}: once upon a time there was a fox. ", 1 + (i * 7 % 20))),
        ["max_tokens"] = 1 + (i * 13 % 64),
        ["ignore_eos"] = i % 3 == 0,
        ["temperature"] = i % 2 == 0 ? 0 : 1,
        ["seed"] = i,
        ["logprobs"] = 0,
        ["stream"] = true,
        ["cache_salt"] = "alone",
    };

    /// <summary>The tokens of the answer and how it ended.</summary>
    private async Task<string> RunAsync(JsonObject body)
    {
        IReadOnlyList<JsonNode> chunks = await bundled.Process.StreamAsync("/v1/completions", body);
        IEnumerable<string> tokens = chunks.SelectMany(chunk => chunk["choices"]![0]!["logprobs"]?["tokens"]?.AsArray() ?? []).Select(token => (string)token!);
        return $"{string.Join('|', tokens)} ({chunks[^1]["choices"]![0]!["finish_reason"]})";
    }
}
