using System.Net;
using System.Text.Json.Nodes;
using ServingGrid.Client;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.OpenAi;

public sealed class ErrorTests
{
    private const string Completions = "/v1/completions";
    private const string Body = """{"model":"scripted","prompt":"a"}""";

    [Theory]
    [InlineData(GridError.InvalidRequest, 400, "invalid_request_error", null)]
    [InlineData(GridError.ModelNotFound, 404, "not_found_error", "model_not_found")]
    [InlineData(GridError.Overloaded, 429, "rate_limit_error", "overloaded")]
    [InlineData(GridError.Unavailable, 503, "unavailable_error", "unavailable")]
    [InlineData(GridError.Timeout, 503, "unavailable_error", "deadline_exceeded")]
    [InlineData(GridError.ModelChanged, 503, "unavailable_error", "model_changed")]
    [InlineData(GridError.RequestFailed, 500, "server_error", "request_failed")]
    [InlineData(GridError.Internal, 500, "server_error", null)]
    public async Task Post_GridFails_StatusFollowsTheError(GridError error, int status, string type, string? code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (_, _) => throw new GridException(error, "No.") { RetryAfter = TimeSpan.FromSeconds(1.2) };
        foreach (string body in (string[])[Body, """{"model":"scripted","prompt":"a","stream":true}""", """{"model":"scripted","prompt":"a","n":2}"""])
        {
            using HttpResponseMessage response = await server.PostAsync(Completions, body);
            (int actual, JsonObject detail) = await GatewayServer.ReadErrorAsync(response);

            Assert.Equal((status, type, code), (actual, (string)detail["type"]!, (string?)detail["code"]));
            string? retryAfter = error switch
            {
                GridError.Overloaded or GridError.Unavailable or GridError.Timeout => "2",
                GridError.ModelChanged => "1",
                _ => null,
            };
            Assert.Equal(retryAfter, response.Headers.RetryAfter?.ToString());
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Post_Defect_ClientSeesTheRequestIdAndTheLogTheRest(bool inGrid, bool streamed)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var defect = new InvalidOperationException("secret detail");
        Exception failure = inGrid ? new GridException(GridError.Internal, $"The request failed in the grid: {defect.Message}", defect) : defect;
        server.Grid.Script = (request, _) => Fail(request, streamed ? 1 : 0, failure);
        server.Http.DefaultRequestHeaders.Add("X-Request-Id", "abc-1");
        JsonNode error = streamed
            ? JsonNode.Parse((await server.StreamAsync(Completions, """{"model":"scripted","prompt":"a","stream":true}"""))[^1])!["error"]!
            : (await server.FailAsync(Completions, Body)).Error;

        Assert.Equal(("server_error", "The server met an internal error (request abc-1)."), ((string)error["type"]!, (string)error["message"]!));
        string line = Assert.Single(server.Log.Lines, line => line.StartsWith("Error: ", StringComparison.Ordinal) && line.Contains("failed (request abc-1)"));
        Assert.Contains("secret detail", line);
        Assert.Contains("   at ", line);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Post_RequestFails_ClientSeesItsNameAndTheLogTheRest(bool streamed)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var failure = new GridException(GridError.RequestFailed, "Request r-1 cannot be served.", new InvalidOperationException("secret detail"));
        server.Grid.Script = (request, _) => Fail(request, streamed ? 1 : 0, failure);
        JsonNode error = streamed
            ? JsonNode.Parse((await server.StreamAsync(Completions, """{"model":"scripted","prompt":"a","stream":true}"""))[^1])!["error"]!
            : (await server.FailAsync(Completions, Body)).Error;

        Assert.Equal(("server_error", "request_failed", "Request r-1 cannot be served."), ((string)error["type"]!, (string)error["code"]!, (string)error["message"]!));
        Assert.Contains("secret detail", Assert.Single(server.Log.Lines, line => line.StartsWith("Error: ", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(GridError.Unavailable)]
    [InlineData(GridError.Timeout)]
    public async Task Post_ExpectedFailure_IsLoggedInOneLine(GridError error)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (_, _) => throw new GridException(error, "No silo is active.", new InvalidOperationException("inner"));
        await server.FailAsync(Completions, Body);

        string line = Assert.Single(server.Log.Lines, line => line.Contains("No silo is active"));
        Assert.StartsWith("Warning: /v1/completions was answered with 503: No silo is active. (request ", line);
        Assert.DoesNotContain('\n', line);
    }

    [Fact]
    public async Task Post_Overloaded_IsNotLogged()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (_, _) => throw new GridException(GridError.Overloaded, "The queue is full.");
        await server.FailAsync(Completions, Body);

        Assert.DoesNotContain(server.Log.Lines, line => line.Contains("queue is full"));
    }

    [Fact]
    public async Task Post_StreamEndsWithoutFinish_Is500()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (_, _) => AsyncEnumerable.Empty<TextUpdate>();
        Assert.Equal(500, (await server.FailAsync(Completions, Body)).Status);
    }

    [Theory]
    [InlineData("GET", "/v1/nothing", 404)]
    [InlineData("GET", "/v1/completions", 405)]
    [InlineData("DELETE", "/v1/models", 405)]
    [InlineData("GET", "/v1/models/absent", 404)]
    public async Task Request_UnknownRoute_HasOpenAiShape(string method, string path, int status)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using HttpResponseMessage response = await server.Http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        Assert.Equal(status, (await GatewayServer.ReadErrorAsync(response)).Status);
    }

    [Fact]
    public async Task Post_BodyTooLarge_Is413()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(options => options with { MaxBodyBytes = 1000 });
        (int status, JsonObject error) = await server.FailAsync(Completions, $$"""{"model":"scripted","prompt":"{{new string('a', 2000)}}"}""");
        Assert.Equal((413, "request_too_large"), (status, (string)error["code"]!));
    }

    [Theory]
    [InlineData("client-1.2:3_x", true)]
    [InlineData("two words", false)]
    [InlineData("a/b", false)]
    public async Task Request_Id_IsEchoedOrReplaced(string id, bool kept)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, Completions) { Content = new StringContent(Body) };
        request.Headers.Add("X-Request-Id", id);
        using HttpResponseMessage response = await server.Http.SendAsync(request);

        string echoed = Assert.Single(response.Headers.GetValues("X-Request-Id"));
        Assert.Equal(kept, echoed == id);
        Assert.StartsWith(echoed, Assert.Single(server.Grid.Requests).RequestId);
    }

    [Fact]
    public async Task Request_KeysAreSet_OnlyV1AsksForOne()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(options => options with { ApiKeys = ["one", "two"] });
        Assert.Equal(HttpStatusCode.OK, (await server.Http.GetAsync("/health")).StatusCode);
        foreach (string? header in (string?[])[null, "Bearer three", "Basic two", "Bearer "])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
            request.Headers.TryAddWithoutValidation("Authorization", header);
            using HttpResponseMessage refused = await server.Http.SendAsync(request);
            (int status, JsonObject error) = await GatewayServer.ReadErrorAsync(refused);
            Assert.Equal((401, "authentication_error"), (status, (string)error["type"]!));
            Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.ToString());
        }

        server.Http.DefaultRequestHeaders.Add("Authorization", "Bearer two");
        Assert.Equal(HttpStatusCode.OK, (await server.Http.GetAsync("/v1/models")).StatusCode);
    }

    private static async IAsyncEnumerable<TextUpdate> Fail(GenerateRequest request, int after, Exception failure)
    {
        await foreach (TextUpdate update in ScriptedGrid.Say(request, "a", "b").Take(after))
        {
            yield return update;
        }

        throw failure;
    }
}
