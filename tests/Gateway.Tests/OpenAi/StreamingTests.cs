using System.Text.Json.Nodes;
using System.Threading.Channels;
using ServingGrid.Client;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.OpenAi;

public sealed class StreamingTests
{
    private const string Chat = "/v1/chat/completions";
    private const string ChatBody = """{"model":"scripted","messages":[{"role":"user","content":"hey"}],"stream":true}""";

    [Fact]
    public async Task Chat_Streamed_RoleThenTextThenFinishThenDone()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        IReadOnlyList<string> events = await server.StreamAsync(Chat, ChatBody);

        Assert.Equal("[DONE]", events[^1]);
        JsonNode[] chunks = [.. events.SkipLast(1).Select(data => JsonNode.Parse(data)!)];
        Assert.Equal(
            [
                """[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"logprobs":null}]""",
                """[{"index":0,"delta":{"content":"Hi"},"finish_reason":null,"logprobs":null}]""",
                """[{"index":0,"delta":{"content":"!"},"finish_reason":null,"logprobs":null}]""",
                """[{"index":0,"delta":{},"finish_reason":"stop","logprobs":null}]""",
            ],
            chunks.Select(chunk => chunk["choices"]!.ToJsonString()));
        Assert.All(chunks, chunk => Assert.Equal("chat.completion.chunk", (string)chunk["object"]!));
        Assert.Single(chunks.Select(chunk => (string)chunk["id"]!).Distinct());
        Assert.All(chunks, chunk => Assert.Null(chunk["usage"]));
    }

    [Fact]
    public async Task Completion_StreamedWithUsage_LastChunkHasUsageAndNoChoices()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        IReadOnlyList<string> events = await server.StreamAsync(
            "/v1/completions", """{"model":"scripted","prompt":"abcd","stream":true,"stream_options":{"include_usage":true}}""");

        JsonNode last = JsonNode.Parse(events[^2])!;
        Assert.Empty(last["choices"]!.AsArray());
        Assert.Equal(
            """{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6,"prompt_tokens_details":{"cached_tokens":2}}""",
            last["usage"]!.ToJsonString());
        Assert.Equal("Hi!", string.Concat(events.SkipLast(2).Select(data => (string)JsonNode.Parse(data)!["choices"]![0]!["text"]!)));
        Assert.Equal("stop", (string)JsonNode.Parse(events[^3])!["choices"]![0]!["finish_reason"]!);
    }

    [Fact]
    public async Task Stream_FirstToken_ArrivesBeforeTheSecondIsMade()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var pieces = Channel.CreateUnbounded<TextUpdate>();
        server.Grid.Script = (_, cancellation) => pieces.Reader.ReadAllAsync(cancellation);
        using var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = new StringContent(ChatBody) };
        pieces.Writer.TryWrite(new TextUpdate { Text = "one" });
        using HttpResponseMessage response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());

        Assert.Contains("\"role\":\"assistant\"", await reader.ReadLineAsync());
        await reader.ReadLineAsync();
        Assert.Contains("\"content\":\"one\"", await reader.ReadLineAsync());
        pieces.Writer.TryWrite(new TextUpdate { Text = "two" });
        await reader.ReadLineAsync();
        Assert.Contains("\"content\":\"two\"", await reader.ReadLineAsync());
        Assert.Equal("no-cache", response.Headers.CacheControl!.ToString());
    }

    /// <summary>The same fingerprint, the same tokens: where an answer goes on in another class of arithmetic, its chunks say so.</summary>
    [Theory]
    [InlineData(Chat, ChatBody)]
    [InlineData("/v1/completions", """{"model":"scripted","prompt":"abcd","stream":true}""")]
    public async Task Stream_AnswerChangesItsNumericsClass_ChunksFromThereOnCarryTheNewFingerprint(string path, string body)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (request, _) => Changing(request);
        body = body[..^1] + ",\"stream_options\":{\"include_usage\":true}}";
        IReadOnlyList<string> events = await server.StreamAsync(path, body);
        string[] prints = [.. events.SkipLast(1).Select(data => (string)JsonNode.Parse(data)!["system_fingerprint"]!)];

        Assert.Equal(["fp_0123456789ab/x", "fp_0123456789ab/y", "fp_0123456789ab/x+y"], prints.Distinct());
        Assert.Equal("fp_0123456789ab/y", prints[^2]);
        Assert.Equal("fp_0123456789ab/x+y", prints[^1]);
    }

    [Theory]
    [InlineData(Chat, """{"model":"scripted","messages":[{"role":"user","content":"hey"}]}""")]
    [InlineData("/v1/completions", """{"model":"scripted","prompt":"abcd"}""")]
    public async Task Whole_AnswerChangedItsNumericsClass_FingerprintNamesBoth(string path, string body)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (request, _) => Changing(request);

        Assert.Equal("fp_0123456789ab/x+y", (string)(await server.CallAsync(path, body))["system_fingerprint"]!);
    }

    [Fact]
    public async Task Stream_SeveralChoices_EachIsWhole()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (request, _) => ScriptedGrid.Say(request, request.RequestId[^1..], "x", "y");
        IReadOnlyList<string> events = await server.StreamAsync(
            "/v1/completions", """{"model":"scripted","prompt":"a","n":5,"stream":true,"seed":1}""");

        var texts = events.SkipLast(1).Select(data => JsonNode.Parse(data)!["choices"]![0]!)
            .GroupBy(choice => (int)choice["index"]!, choice => (string)choice["text"]!)
            .ToDictionary(group => group.Key, string.Concat);
        Assert.Equal(5, texts.Count);
        Assert.All(texts, pair => Assert.Equal($"{pair.Key}xy", pair.Value));
    }

    [Fact]
    public async Task Stream_ClientDisconnects_RequestIsCancelled()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var pieces = Channel.CreateUnbounded<TextUpdate>();
        server.Grid.Script = (_, cancellation) => pieces.Reader.ReadAllAsync(cancellation);
        pieces.Writer.TryWrite(new TextUpdate { Text = "one" });
        using (var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = new StringContent(ChatBody) })
        using (await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            Assert.Equal(1, server.Grid.Active);
        }

        Assert.True(SpinWait.SpinUntil(() => server.Grid.Active == 0, TimeSpan.FromSeconds(60)));
        Assert.DoesNotContain(server.Log.Lines, line => line.StartsWith("Error", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Stream_GridFailsLater_ErrorIsTheLastEvent()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (_, _) => FailAfter(new GridException(GridError.Unavailable, "The silo is gone."));
        IReadOnlyList<string> events = await server.StreamAsync(Chat, ChatBody);

        Assert.Equal(
            """{"error":{"message":"The silo is gone.","type":"unavailable_error","param":null,"code":"unavailable"}}""", events[^1]);
    }

    [Fact]
    public async Task Stream_OneChoiceFails_OthersAreStopped()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var never = Channel.CreateUnbounded<TextUpdate>();
        server.Grid.Script = (request, cancellation) => request.RequestId.EndsWith("-1", StringComparison.Ordinal)
            ? FailAfter(new InvalidOperationException("secret detail"))
            : never.Reader.ReadAllAsync(cancellation);
        IReadOnlyList<string> events = await server.StreamAsync("/v1/completions", """{"model":"scripted","prompt":"a","n":3,"stream":true}""");

        Assert.Contains("\"type\":\"server_error\"", events[^1]);
        Assert.DoesNotContain("secret", events[^1]);
        Assert.Equal(0, server.Grid.Active);
    }

    [Fact]
    public async Task Stream_ServerStops_ErrorIsTheLastEvent()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var pieces = Channel.CreateUnbounded<TextUpdate>();
        server.Grid.Script = (_, cancellation) => pieces.Reader.ReadAllAsync(cancellation);
        pieces.Writer.TryWrite(new TextUpdate { Text = "one" });
        using var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = new StringContent(ChatBody) };
        using HttpResponseMessage response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Task stop = server.StopAsync();

        Assert.Contains("\"code\":\"stopping\"", await response.Content.ReadAsStringAsync());
        await stop.WaitAsync(TimeSpan.FromSeconds(60));
    }

    private static async IAsyncEnumerable<TextUpdate> FailAfter(Exception failure)
    {
        await Task.Yield();
        yield return new TextUpdate { Text = "one" };
        throw failure;
    }

    private static async IAsyncEnumerable<TextUpdate> Changing(GenerateRequest request)
    {
        await Task.Yield();
        yield return new TextUpdate { Text = "a", Tokens = [ScriptedGrid.Token('a', null)], Numerics = "x" };
        yield return new TextUpdate { Text = "b", Tokens = [ScriptedGrid.Token('b', null)], Numerics = "y" };
        GenerateUsage usage = ScriptedGrid.Usage(request, 2);
        yield return new TextUpdate { Finish = FinishReason.Stop, Usage = usage, Numerics = "y", ChangedFrom = ["x"] };
    }
}
