using System.Net;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.OpenAi;

public sealed class ModelsAndHealthTests
{
    private const string Model = """{"id":"scripted","object":"model","created":1700000000,"owned_by":"servinggrid","max_model_len":256}""";

    [Fact]
    public async Task Get_Models_ListsAndFindsThem()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        Assert.Equal($$"""{"object":"list","data":[{{Model}}]}""", await server.Http.GetStringAsync("/v1/models"));
        Assert.Equal(Model, await server.Http.GetStringAsync("/v1/models/scripted"));
    }

    [Fact]
    public async Task Get_Health_FollowsTheGrid()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        Assert.Equal("""{"status":"ok","models":["scripted"]}""", await server.Http.GetStringAsync("/health"));

        server.Grid.Health = new GridHealth { Models = [], Reason = "No device serves." };
        await AssertUnavailableAsync(server, "No device serves.");
        server.Grid.HealthFailure = new GridException(GridError.Unavailable, "No silo.");
        await AssertUnavailableAsync(server, "No silo.");
    }

    [Fact]
    public async Task Get_HealthWhileTheGridDoesNotAnswer_WhatItSaidLastCountsForSeconds()
    {
        FakeTimeProvider time = new();
        await using GatewayServer server = await GatewayServer.StartAsync(time: time);
        Assert.Equal("""{"status":"ok","models":["scripted"]}""", await server.Http.GetStringAsync("/health"));

        // A silo has died, perhaps the one that was asked.
        server.Grid.HealthFailure = new GridException(GridError.Unavailable, "No silo.");
        time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal("""{"status":"ok","models":["scripted"]}""", await server.Http.GetStringAsync("/health"));
        time.Advance(TimeSpan.FromSeconds(1));
        await AssertUnavailableAsync(server, "No silo.");

        // What it says now counts at once, and what is remembered from before does not come back.
        server.Grid.HealthFailure = null;
        Assert.Equal("""{"status":"ok","models":["scripted"]}""", await server.Http.GetStringAsync("/health"));
        server.Grid.Health = new GridHealth { Models = [], Reason = "No device serves." };
        await AssertUnavailableAsync(server, "No device serves.");
        server.Grid.HealthFailure = new GridException(GridError.Unavailable, "No silo.");
        await AssertUnavailableAsync(server, "No silo.");
    }

    private static async Task AssertUnavailableAsync(GatewayServer server, string reason)
    {
        using HttpResponseMessage response = await server.Http.GetAsync("/health");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal($$"""{"status":"unavailable","models":[],"reason":"{{reason}}"}""", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Get_Grid_NeedsAKeyWhereThereAreKeys()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(options => options with { ApiKeys = ["secret"] });
        using (HttpResponseMessage refused = await server.Http.GetAsync("/grid"))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }

        server.Http.DefaultRequestHeaders.Authorization = new("Bearer", "secret");
        string text = await server.Http.GetStringAsync("/grid");
        Assert.StartsWith("""{"at":"1970-01-01T00:00:00+00:00","models":[{"name":"scripted","fingerprint":""", text);
        Assert.EndsWith(""","devices":[]}""", text);
    }

    [Fact]
    public async Task Get_Metrics_CountsRequestsByRoute()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.Http.GetStringAsync("/v1/models/scripted");
        (await server.Http.GetAsync("/v1/made/up/path")).Dispose();
        string text = await server.Http.GetStringAsync("/metrics");

        Assert.Contains("""servinggrid_http_requests_total{route="/v1/models/{**id}",status="200"} """, text);
        Assert.Contains("""servinggrid_http_requests_total{route="other",status="404"} """, text);
        Assert.DoesNotContain("made", text);
    }
}
