using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.Http;

/// <summary>Requests that a browser carries for web pages of others.</summary>
public sealed class OriginTests
{
    private const string Body = """{"model":"scripted","messages":[{"role":"user","content":"hi"}]}""";
    private const string Own = "OWN";

    [Theory]
    [InlineData("Origin", "https://evil.example")]
    [InlineData("Origin", "null")]
    [InlineData("Origin", "")]
    [InlineData("Origin", "http://127.0.0.1")]
    [InlineData("Origin", "http://127.0.0.1:1")]
    [InlineData("Origin", "http://localhost:1")]
    [InlineData("Origin", "file://")]
    [InlineData("Sec-Fetch-Site", "cross-site")]
    [InlineData("Sec-Fetch-Site", "Cross-Site")]
    [InlineData("Host", "evil.example")]
    [InlineData("Host", "evil.example:8080")]
    [InlineData("Host", "127.0.0.1.evil.example")]
    [InlineData("Host", "localhost.evil.example")]
    [InlineData("Host", "notlocalhost")]
    public async Task Post_ByAnotherPage_403WhateverItsType(string header, string value)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach (string type in (string[])["text/plain", "application/json", "application/x-www-form-urlencoded"])
        {
            using HttpResponseMessage response = await PostAsync(server, type, (header, value));
            (int status, JsonObject error) = await GatewayServer.ReadErrorAsync(response);
            Assert.Equal((403, "permission_error", "origin_not_allowed"), (status, (string?)error["type"], (string?)error["code"]));
        }

        Assert.Empty(server.Grid.Requests);
    }

    [Theory]
    [InlineData("Host", "localhost")]
    [InlineData("Host", "LOCALHOST:8080")]
    [InlineData("Host", "localhost.:8080")]
    [InlineData("Host", "grid.localhost")]
    [InlineData("Host", "192.168.1.7:8080")]
    [InlineData("Host", "[::1]:8080")]
    [InlineData("Host", "[fe80::1]")]
    [InlineData("Sec-Fetch-Site", "same-origin")]
    [InlineData("Sec-Fetch-Site", "none")]
    [InlineData("Origin", Own)]
    public async Task Post_ByAnOwnPageOrAProgram_200(string header, string value)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using HttpResponseMessage response = await PostAsync(
            server, "text/plain", (header, value == Own ? server.Http.BaseAddress!.GetLeftPart(UriPartial.Authority) : value));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("grid.example", "http://grid.example", 200)]
    [InlineData("Grid.Example.:80", "https://grid.example:80", 200)]
    [InlineData("grid.example", "https://grid.example", 200)]
    [InlineData("[::1]:8080", "http://[::1]:8080", 200)]
    [InlineData("grid.example:8080", "http://grid.example", 403)]
    [InlineData("grid.example", "http://other.example", 403)]
    [InlineData("sub.grid.example", null, 403)]
    public async Task Post_NameThatIsAllowed_ItsOwnPagesToo(string host, string? origin, int expected)
    {
        await using GatewayServer server =
            await GatewayServer.StartAsync(options => options with { AllowedHosts = new HashSet<string> { "grid.example" } });
        using HttpResponseMessage response = origin is null
            ? await PostAsync(server, "application/json", ("Host", host))
            : await PostAsync(server, "application/json", ("Host", host), ("Origin", origin));
        Assert.Equal(expected, (int)response.StatusCode);
    }

    [Fact]
    public async Task Post_KeysAreSet_TheKeyAloneDecides()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(options => options with { ApiKeys = ["secret"] });
        using HttpResponseMessage refused =
            await PostAsync(server, "text/plain", ("Host", "grid.example"), ("Origin", "https://app.example"));
        using HttpResponseMessage served = await PostAsync(
            server, "text/plain", ("Host", "grid.example"), ("Origin", "https://app.example"), ("Authorization", "Bearer secret"));
        Assert.Equal((401, 200), ((int)refused.StatusCode, (int)served.StatusCode));
    }

    [Theory]
    [InlineData("/health", "Host", 200)]
    [InlineData("/metrics", "Host", 403)]
    [InlineData("/v1/models", "Host", 403)]
    [InlineData("/grid", "Host", 403)]
    [InlineData("/health", "Origin", 403)]
    public async Task Get_AnyRoute_ProbesMayUseAnyName(string path, string header, int expected)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation(header, header == "Host" ? "node-7.internal" : "http://node-7.internal");
        using HttpResponseMessage response = await server.Http.SendAsync(request);
        Assert.Equal(expected, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("Grid.Example", "grid.example")]
    [InlineData("grid.example.", "grid.example")]
    [InlineData("gateway", "gateway")]
    [InlineData("http://grid.example", null)]
    [InlineData("grid.example:80", null)]
    [InlineData("10.0.0.1", null)]
    [InlineData("*", null)]
    [InlineData("", null)]
    public void Normalize_Option_NamesOnly(string text, string? expected) => Assert.Equal(expected, WebPages.Normalize(text));

    private static async Task<HttpResponseMessage> PostAsync(
        GatewayServer server, string type, params (string Name, string Value)[] headers)
    {
        using var request =
            new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Body, Encoding.UTF8, type) };
        foreach ((string name, string value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }

        return await server.Http.SendAsync(request);
    }
}
