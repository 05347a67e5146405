using System.Text.Json.Nodes;
using ServingGrid.Client;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.OpenAi;

public sealed class ChatTests
{
    private const string Path = "/v1/chat/completions";
    private const string User = """{"role":"user","content":"hey"}""";

    [Fact]
    public async Task Post_Messages_AnswersInOpenAiShape()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        JsonNode answer = await server.CallAsync(Path, $$"""{"model":"scripted","messages":[{{User}}]}""");

        Assert.StartsWith("chatcmpl-", (string)answer["id"]!);
        Assert.Equal("chat.completion", (string)answer["object"]!);
        Assert.Equal(
            """[{"index":0,"message":{"role":"assistant","content":"Hi!","refusal":null},"finish_reason":"stop","logprobs":null}]""",
            answer["choices"]!.ToJsonString());
        Assert.Equal(9, (int)answer["usage"]!["prompt_tokens"]!);
        Assert.Null(Assert.Single(server.Grid.Requests).MaxTokens);
    }

    [Fact]
    public async Task Post_PartsAndRoles_ReachTheTemplateAsTexts()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, """
            {"model":"scripted","max_completion_tokens":3,"max_tokens":7,"messages":[
              {"role":"developer","content":"d"},
              {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"ann"},
              {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\":[1,2.5]}"}}]},
              {"role":"tool","content":"t","tool_call_id":"1"}]}
            """);

        GenerateRequest request = Assert.Single(server.Grid.Requests);
        Assert.Equal(3, request.MaxTokens);
        Assert.Equal("system:d|user:a\nb|assistant:|tool:t|", System.Text.Encoding.UTF8.GetString([.. request.Prompt.Select(token => (byte)token)]));
        JsonArray messages = server.Grid.Text.Messages!;
        Assert.Equal("ann", (string)messages[1]!["name"]!);
        Assert.Equal("""{"x":[1,2.5]}""", messages[2]!["tool_calls"]![0]!["function"]!["arguments"]!.ToJsonString());
        Assert.Equal("1", (string)messages[3]!["tool_call_id"]!);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData(""","tool_choice":"auto" """, true)]
    [InlineData(""","tool_choice":"none" """, false)]
    public async Task Post_Tools_ReachTheTemplateUnlessTheChoiceIsNone(string choice, bool shown)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, $$"""
            {"model":"scripted","messages":[{{User}}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"} } }]{{choice}}}
            """);

        Assert.Equal(shown, Assert.Single(server.Grid.Requests).Prompt.Length > "user:hey|".Length);
    }

    [Fact]
    public async Task Post_TemplateVariables_ReachTheTemplate()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, $$"""{"model":"scripted","messages":[{{User}}],"chat_template_kwargs":{"enable_thinking":false,"n":1} }""");

        Assert.Equal("""{"enable_thinking":false,"n":1}""", server.Grid.Text.Variables!.ToJsonString());
    }

    [Theory]
    [InlineData("", null)]
    [InlineData(""","logprobs":false""", null)]
    [InlineData(""","logprobs":true""", 0)]
    [InlineData(""","logprobs":true,"top_logprobs":2""", 2)]
    public async Task Post_LogProbabilities_AreAskedForAsTheClientDoes(string fields, int? asked)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, $$"""{"model":"scripted","messages":[{{User}}]{{fields}}}""");

        Assert.Equal(asked, Assert.Single(server.Grid.Requests).Sampling.LogProbabilities);
    }

    [Fact]
    public async Task Post_TopLogProbabilities_HaveTextAndBytes()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (request, _) => ScriptedGrid.Say(request, "H");
        JsonNode answer = await server.CallAsync(Path, $$"""{"model":"scripted","messages":[{{User}}],"logprobs":true,"top_logprobs":2}""");

        var expected = JsonNode.Parse("""
            {"content":[{"token":"H","logprob":-0.5,"bytes":[72],"top_logprobs":[
              {"token":"H","logprob":-0.5,"bytes":[72]},{"token":"I","logprob":-1.5,"bytes":[73]}]}],"refusal":null}
            """);
        Assert.True(JsonNode.DeepEquals(expected, answer["choices"]![0]!["logprobs"]), answer.ToJsonString());
    }

    [Fact]
    public async Task Post_ResponseFormatText_IsAccepted()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, $$"""{"model":"scripted","messages":[{{User}}],"response_format":{"type":"text"} }""");
    }
}
