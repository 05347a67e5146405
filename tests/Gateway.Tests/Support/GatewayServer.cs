using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ServingGrid.Client;
using ServingGrid.Gateway.Hosting;
using ServingGrid.Testing;

namespace ServingGrid.Gateway.Tests.Support;

/// <summary>The gateway over a scripted grid, on a free port of this machine.</summary>
internal sealed class GatewayServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GatewayServer(WebApplication app, ScriptedGrid grid, RecordedLog log)
    {
        (_app, Grid, Log) = (app, grid, log);
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()), Timeout = TimeSpan.FromSeconds(30) };
    }

    public ScriptedGrid Grid { get; }

    public RecordedLog Log { get; }

    public HttpClient Http { get; }

    public static async Task<GatewayServer> StartAsync(
        Func<GatewayOptions, GatewayOptions>? configure = null, TimeProvider? time = null)
    {
        var options = new GatewayOptions { Urls = ["http://127.0.0.1:0"] };
        var (grid, log) = (new ScriptedGrid(), new RecordedLog());
        WebApplication app = GatewayApp.Create(configure?.Invoke(options) ?? options, builder =>
        {
            builder.Services.AddSingleton<IGridClient>(grid);
            if (time is not null)
            {
                builder.Services.AddSingleton(time);
            }

            builder.Logging.ClearProviders().AddProvider(log);
        });
        await app.StartAsync();
        return new GatewayServer(app, grid, log);
    }

    /// <summary>Tells the process to stop, and does not wait for it.</summary>
    public void Stop() => _app.Lifetime.StopApplication();

    public Task<HttpResponseMessage> PostAsync(string path, string body) =>
        Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));

    public Task<HttpResponseMessage> PostAsync(string path, byte[] body)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return Http.PostAsync(path, content);
    }

    /// <summary>Posts and expects a 200 with JSON.</summary>
    public async Task<JsonNode> CallAsync(string path, string body)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    /// <summary>Posts and expects an error; returns its status and OpenAI's error object, all members of which must be there.</summary>
    public async Task<(int Status, JsonObject Error)> FailAsync(string path, string body)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        return await ReadErrorAsync(response);
    }

    public static async Task<(int Status, JsonObject Error)> ReadErrorAsync(HttpResponseMessage response)
    {
        string text = await response.Content.ReadAsStringAsync();
        Assert.False(response.IsSuccessStatusCode, text);
        JsonObject error = JsonNode.Parse(text)!["error"]!.AsObject();
        Assert.Equal(["code", "message", "param", "type"], error.Select(member => member.Key).Order());
        Assert.NotEmpty(error["message"]!.GetValue<string>());
        return ((int)response.StatusCode, error);
    }

    /// <summary>Posts, expects a stream, and returns the data of its events.</summary>
    public async Task<IReadOnlyList<string>> StreamAsync(string path, string body)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        Assert.EndsWith("\n\n", text);
        return [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(line => line["data: ".Length..])];
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    /// <summary>Begins an orderly stop, as Ctrl-C does.</summary>
    public Task StopAsync() => _app.StopAsync();
}
