using System.Text.Json.Nodes;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.OpenAi;

/// <summary>Requests that hold far more of something than the server takes: refused, and the field named.</summary>
public sealed class LongRequestTests
{
    // The scripted model has a context of 256 and a token for each byte.
    [Theory]
    [InlineData("/v1/completions", "prompt", """{"model":"scripted","prompt":"{0}"}""", "a", 100_000)]
    [InlineData("/v1/completions", "prompt", """{"model":"scripted","prompt":["hi","{0}"]}""", "a", 1_000_000)]
    [InlineData("/v1/completions", "prompt", """{"model":"scripted","prompt":[1{0}]}""", ",1", 1_000_000)]
    [InlineData("/v1/completions", "prompt", """{"model":"scripted","prompt":[1{0}]}""", ",1", 4_000_000)]
    [InlineData("/v1/completions", "user", """{"model":"scripted","prompt":"hi","user":[1{0}]}""", ",1", 4_000_000)]
    [InlineData("/v1/completions", "prompt", """{"model":"scripted","prompt":["hi"{0}]}""", ",\"hi\"", 100_000)]
    [InlineData("/v1/chat/completions", "messages", """{"model":"scripted","messages":[{"role":"user","content":"{0}"}]}""", "a", 100_000)]
    [InlineData("/v1/chat/completions", "messages",
        """{"model":"scripted","messages":[{"role":"user","content":"hi"}{0}]}""", """,{"role":"user","content":""}""", 100_000)]
    [InlineData("/v1/chat/completions", "messages",
        """{"model":"scripted","messages":[{"role":"user","content":[{"type":"text","text":"hi"}{0}]}]}""", """,{"type":"text","text":"hi"}""", 100_000)]
    [InlineData("/v1/chat/completions", "tools",
        """{"model":"scripted","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}{0}]}""",
        """,{"type":"function","function":{"name":"f"}}""", 100_000)]
    [InlineData("/v1/completions", "stop", """{"model":"scripted","prompt":"hi","stop":["a"{0}]}""", ",\"b\"", 1_000_000)]
    [InlineData("/v1/completions", "stop", """{"model":"scripted","prompt":"hi","stop":"{0}"}""", "b", 1_000_000)]
    public async Task Post_FarTooMuch_400ThatNamesTheField(string path, string param, string body, string part, int count)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();

        (int status, JsonObject error) =
            await server.FailAsync(path, body.Replace("{0}", string.Concat(Enumerable.Repeat(part, count)), StringComparison.Ordinal));
        Assert.Equal((400, param), (status, (string?)error["param"]));
        Assert.Empty(server.Grid.Requests);
    }

    [Fact]
    public async Task Post_MoreThanTheServerTakes_413()
    {
        await using GatewayServer server = await GatewayServer.StartAsync(options => options with { MaxBodyBytes = 1 << 20 });
        (int status, JsonObject error) =
            await server.FailAsync("/v1/completions", $$"""{"model":"scripted","prompt":"{{new string('a', 2 << 20)}}"}""");
        Assert.Equal((413, "request_too_large"), (status, (string?)error["code"]));
    }
}
