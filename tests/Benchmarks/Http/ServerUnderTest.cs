using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ServingGrid.Benchmarks.Http;

/// <summary>An OpenAI-compatible server and the prompts that it gets. Requests may run at the same time.</summary>
internal sealed class ServerUnderTest(string name, Uri address, PromptMaker prompts) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = address, Timeout = TimeSpan.FromMinutes(10) };
    private string _model = "";

    public PromptMaker Prompts => prompts;

    /// <summary>Asks for the model's name and sends requests for a while, so that nothing is done for the first time later.</summary>
    public async Task PrepareAsync(TimeSpan warmUp)
    {
        await FindModelAsync();
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < warmUp)
        {
            await Task.WhenAll(CompleteAsync(prompts.Make(128), 16), CompleteAsync(prompts.Make(300), 16));
        }
    }

    /// <summary>Asks for the model's name, which every request needs.</summary>
    public async Task FindModelAsync()
    {
        string models = await TalkAsync(() => _http.GetStringAsync("/v1/models"));
        _model = (string)JsonNode.Parse(models)!["data"]![0]!["id"]!;
    }

    /// <summary>One streamed greedy completion of a prompt given as token ids, exactly <paramref name="maxTokens"/> long.</summary>
    public async Task<StreamTrace> CompleteAsync(int[] prompt, int maxTokens)
    {
        var reader = new ChunkReader();
        long sent = Stopwatch.GetTimestamp();
        await TalkAsync(() => StreamAsync(prompt, maxTokens, reader));
        long ended = Stopwatch.GetTimestamp();
        if (reader.Usage is not { } usage)
        {
            throw new ServerException($"{name} sent {reader.Arrivals.Count} chunks of text and no usage.");
        }

        return new StreamTrace
        {
            Sent = sent,

            // A few tokens may all be special ones, of which there is nothing to see but the end.
            Chunks = reader.Arrivals.Count > 0 ? reader.Arrivals : [ended],
            CompletionTokens = usage.GetProperty("completion_tokens").GetInt32(),
            CachedTokens = usage.TryGetProperty("prompt_tokens_details", out JsonElement details) && details.TryGetProperty("cached_tokens", out JsonElement cached) ? cached.GetInt32() : 0,
        };
    }

    public void Dispose() => _http.Dispose();

    private Task TalkAsync(Func<Task> exchange) => TalkAsync(async () =>
    {
        await exchange();
        return true;
    });

    private async Task<T> TalkAsync<T>(Func<Task<T>> exchange)
    {
        try
        {
            return await exchange();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            throw new ServerException($"{name} ({address}) broke off: {e.Message}");
        }
        catch (TaskCanceledException e) when (e.InnerException is TimeoutException)
        {
            throw new ServerException($"{name} ({address}) did not end its answer within {_http.Timeout.TotalMinutes:0} minutes.");
        }
    }

    private async Task StreamAsync(int[] prompt, int maxTokens, ChunkReader reader)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = Body(prompt, maxTokens) };

        // Servers close connections by rules of their own, and a request that meets such a moment is not sent again.
        request.Headers.ConnectionClose = true;
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
        {
            throw new ServerException($"{name} answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
        }

        await reader.ReadToEndAsync(await response.Content.ReadAsStreamAsync());
    }

    private ByteArrayContent Body(int[] prompt, int maxTokens)
    {
        var json = new JsonObject
        {
            ["model"] = _model,
            ["prompt"] = new JsonArray([.. prompt.Select(token => JsonValue.Create(token))]),
            ["max_tokens"] = maxTokens,
            ["temperature"] = 0,
            ["ignore_eos"] = true,
            ["stream"] = true,
            ["stream_options"] = new JsonObject { ["include_usage"] = true },
        };
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(json.ToJsonString()));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }
}
