using System.Net;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Grid;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>
/// Parameters at the ends of what numbers can be, beside the streams of others: each request is answered, and nobody else notices.
/// </summary>
public sealed class ExtremeRequestTests
{
    private const int Streams = 8;
    private const int Tokens = 500;
    private const string Path = "/v1/completions";

    /// <summary>Fields to add to a prompt that repeats itself, so that penalties have something to work on.</summary>
    private static readonly string[] Extremes =
    [
        """{"repetition_penalty":1e-38,"top_p":0.9}""",
        """{"repetition_penalty":1e-38,"temperature":0}""",
        """{"repetition_penalty":1e-45}""",
        """{"repetition_penalty":1e-300}""",
        """{"repetition_penalty":10,"temperature":1e-38}""",
        """{"repetition_penalty":1e38}""",
        """{"temperature":1e-38}""",
        """{"temperature":1e-45,"top_k":5}""",
        """{"temperature":2,"top_p":1e-38}""",
        """{"top_p":1e-45,"min_p":1}""",
        """{"min_p":1,"top_k":1}""",
        """{"presence_penalty":2,"frequency_penalty":2,"repetition_penalty":1e-38,"logprobs":5}""",
        """{"presence_penalty":-2,"frequency_penalty":-2,"temperature":1e-38}""",
        """{"frequency_penalty":1e38}""",
        """{"logit_bias":{"300":100,"301":-100},"temperature":1e-38}""",
        """{"logit_bias":{"300":1e38}}""",
        """{"repetition_penalty":1e-38,"logit_bias":{"300":100},"top_k":64,"min_p":1e-38}""",
        """{"seed":-9223372036854775808,"temperature":2,"top_p":1,"min_tokens":16,"ignore_eos":true}""",
    ];

    [Fact]
    public async Task Post_ExtremeParameters_AnsweredOrRefusedByNameAndStreamsGoOn()
    {
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--threads", "1");
        await AssertHarmlessAsync(gateway);
        Assert.Equal(1, await gateway.ReadMetricAsync("servinggrid_engine_up"));
    }

    [Fact]
    public async Task Post_ExtremeParametersToAGrid_NoSiloIsLost()
    {
        using var folder = new TemporaryFolder();
        await using var grid = new ProcessGrid($"file:{folder.Combine("grid.db")}");
        SiloProcess[] silos = await Task.WhenAll(grid.StartSiloAsync("both"), grid.StartSiloAsync("both"));
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", grid.Cluster);
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);
        await AssertHarmlessAsync(gateway);
        foreach (SiloProcess silo in silos)
        {
            Assert.False(silo.HasExited, silo.Output);
            Assert.Equal("ok", await silo.Status.GetStringAsync("/health"));
        }
    }

    private static async Task AssertHarmlessAsync(GatewayProcess gateway)
    {
        string[] alone = await Task.WhenAll(Enumerable.Range(0, Streams).Select(i => RunAsync(gateway, Stream(i, "alone"))));
        Task<string>[] beside = [.. Enumerable.Range(0, Streams).Select(i => RunAsync(gateway, Stream(i, "beside")))];
        foreach (bool streamed in (bool[])[false, true])
        {
            await Task.WhenAll(Extremes.Select(fields => AssertAnsweredAsync(gateway, fields, streamed)));
            using HttpResponseMessage health = await gateway.Http.GetAsync("/health");
            Assert.Equal("""{"status":"ok","models":["grid-tiny"]}""", await health.Content.ReadAsStringAsync());
        }

        Assert.Equal(alone, await Task.WhenAll(beside));
    }

    private static async Task AssertAnsweredAsync(GatewayProcess gateway, string fields, bool streamed)
    {
        JsonObject body = JsonNode.Parse(fields)!.AsObject();
        string[] names = [.. body.Select(field => field.Key)];
        body["model"] = BundledGateway.Model;
        body["prompt"] = "The capital of France is Paris. The capital";
        body["stream"] = streamed;
        using HttpResponseMessage response = await gateway.PostAsync(Path, body);
        string text = await response.Content.ReadAsStringAsync();
        if (response.StatusCode == HttpStatusCode.BadRequest)
        {
            Assert.Contains((string)JsonNode.Parse(text)!["error"]!["param"]!, names);
        }
        else
        {
            Assert.True(response.StatusCode == HttpStatusCode.OK && !text.Contains("\"error\""), $"{fields}: {(int)response.StatusCode} {text}\n{gateway.Output}");
        }
    }

    private static JsonObject Stream(int i, string salt) => new()
    {
        ["model"] = BundledGateway.Model,
        ["prompt"] = $"Story {i}: once upon a time there was a fox.",
        ["max_tokens"] = Tokens,
        ["ignore_eos"] = true,
        ["temperature"] = i % 2,
        ["seed"] = i,
        ["stream"] = true,
        ["cache_salt"] = salt,
    };

    private static async Task<string> RunAsync(GatewayProcess gateway, JsonObject body) =>
        string.Concat((await gateway.StreamAsync(Path, body)).Select(chunk => (string?)chunk["choices"]![0]!["text"]));
}
