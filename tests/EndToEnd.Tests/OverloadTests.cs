using System.Net;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

public sealed class OverloadTests
{
    [Fact]
    public async Task Requests_BeyondTheQueue_AreRefusedAtOnceAndTheOthersFinish()
    {
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--max-sequences", "1", "--max-waiting", "1");
        HttpResponseMessage[] responses = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => gateway.PostAsync("/v1/completions", new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["prompt"] = "Once",
            ["max_tokens"] = 2000,
            ["ignore_eos"] = true,
        }))).WaitAsync(TimeSpan.FromMinutes(2));

        HttpResponseMessage[] refused = [.. responses.Where(response => response.StatusCode != HttpStatusCode.OK)];
        Assert.NotEmpty(refused);
        Assert.InRange(responses.Length - refused.Length, 2, 7);
        foreach (HttpResponseMessage response in refused)
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
            Assert.True(response.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1));
            JsonNode error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
            Assert.Equal("rate_limit_error", (string)error["type"]!);
        }

        JsonNode later = await gateway.CallAsync("/v1/completions", new JsonObject { ["model"] = BundledGateway.Model, ["prompt"] = "Once" });
        Assert.NotNull(later["choices"]);
    }
}
