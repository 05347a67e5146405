using System.Text.Json.Nodes;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.OpenAi;

/// <summary>What is wrong in a request is a 400 that names the field, and never reaches the grid.</summary>
public sealed class ValidationTests
{
    [Theory]
    [InlineData("""{"prompt":"a"}""", "model")]
    [InlineData("""{"model":5,"prompt":"a"}""", "model")]
    [InlineData("""{"model":"","prompt":"a"}""", "model")]
    [InlineData("""{"model":"scripted"}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":null}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":{}}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":[]}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":[[]]}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":[1,"a"]}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":[1.5]}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":[257]}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":[-1]}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":[1e300]}""", "prompt")]
    [InlineData("""{"model":"scripted","prompt":"a","max_tokens":0}""", "max_tokens")]
    [InlineData("""{"model":"scripted","prompt":"a","max_tokens":99999999999}""", "max_tokens")]
    [InlineData("""{"model":"scripted","prompt":"a","max_tokens":"5"}""", "max_tokens")]
    [InlineData("""{"model":"scripted","prompt":"a","max_tokens":2.5}""", "max_tokens")]
    [InlineData("""{"model":"scripted","prompt":"a","min_tokens":17}""", "min_tokens")]
    [InlineData("""{"model":"scripted","prompt":"a","temperature":2.1}""", "temperature")]
    [InlineData("""{"model":"scripted","prompt":"a","temperature":-0.1}""", "temperature")]
    [InlineData("""{"model":"scripted","prompt":"a","temperature":1e999}""", "temperature")]
    [InlineData("""{"model":"scripted","prompt":"a","temperature":2.0000001}""", "temperature")]
    [InlineData("""{"model":"scripted","prompt":"a","top_p":-1e-45}""", "top_p")]
    [InlineData("""{"model":"scripted","prompt":"a","top_p":1.1}""", "top_p")]
    [InlineData("""{"model":"scripted","prompt":"a","min_p":1.5}""", "min_p")]
    [InlineData("""{"model":"scripted","prompt":"a","top_k":-2}""", "top_k")]
    [InlineData("""{"model":"scripted","prompt":"a","repetition_penalty":0}""", "repetition_penalty")]
    [InlineData("""{"model":"scripted","prompt":"a","repetition_penalty":1e-38,"top_p":0.9}""", "repetition_penalty")]
    [InlineData("""{"model":"scripted","prompt":"a","repetition_penalty":0.0099999}""", "repetition_penalty")]
    [InlineData("""{"model":"scripted","prompt":"a","repetition_penalty":100.01}""", "repetition_penalty")]
    [InlineData("""{"model":"scripted","prompt":"a","frequency_penalty":-2.1}""", "frequency_penalty")]
    [InlineData("""{"model":"scripted","prompt":"a","logit_bias":{"1":1e300}}""", "logit_bias")]
    [InlineData("""{"model":"scripted","prompt":"a","presence_penalty":3}""", "presence_penalty")]
    [InlineData("""{"model":"scripted","prompt":"a","n":0}""", "n")]
    [InlineData("""{"model":"scripted","prompt":["a","b"],"n":100}""", "n")]
    [InlineData("""{"model":"scripted","prompt":"a","stop":""}""", "stop")]
    [InlineData("""{"model":"scripted","prompt":"a","stop":[1]}""", "stop")]
    [InlineData("""{"model":"scripted","prompt":"a","logit_bias":{"x":1}}""", "logit_bias")]
    [InlineData("""{"model":"scripted","prompt":"a","logit_bias":{"1":101}}""", "logit_bias")]
    [InlineData("""{"model":"scripted","prompt":"a","logit_bias":{"257":1}}""", "logit_bias")]
    [InlineData("""{"model":"scripted","prompt":"a","seed":9223372036854775808}""", "seed")]
    [InlineData("""{"model":"scripted","prompt":"a","logprobs":21}""", "logprobs")]
    [InlineData("""{"model":"scripted","prompt":"a","logprobs":1,"echo":true}""", "echo")]
    [InlineData("""{"model":"scripted","prompt":"a","suffix":"b"}""", "suffix")]
    [InlineData("""{"model":"scripted","prompt":"a","best_of":2}""", "best_of")]
    [InlineData("""{"model":"scripted","prompt":"a","stream":1}""", "stream")]
    [InlineData("""{"model":"scripted","prompt":"a","stream_options":{"include_usage":true}}""", "stream_options")]
    [InlineData("""{"model":"scripted","prompt":"a","stream":true,"stream_options":{"include_usage":5}}""", "stream_options.include_usage")]
    [InlineData("""{"model":"scripted","prompt":"a","cache_salt":""}""", "cache_salt")]
    public async Task Completion_WrongField_Is400AndNamesIt(string body, string param) => await AssertRefusedAsync("/v1/completions", body, param);

    [Theory]
    [InlineData("\"top_p\":0")]
    [InlineData("\"top_p\":1")]
    [InlineData("\"top_p\":1e-45")]
    [InlineData("\"temperature\":0")]
    [InlineData("\"temperature\":1e-45")]
    [InlineData("\"temperature\":1e-400")]
    [InlineData("\"temperature\":2")]
    [InlineData("\"top_k\":-1")]
    [InlineData("\"top_k\":0")]
    [InlineData("\"top_k\":2147483647")]
    [InlineData("\"min_p\":0")]
    [InlineData("\"min_p\":1")]
    [InlineData("\"repetition_penalty\":0.01")]
    [InlineData("\"repetition_penalty\":100")]
    [InlineData("\"presence_penalty\":-2,\"frequency_penalty\":2")]
    [InlineData("\"logit_bias\":{\"1\":-100,\"2\":100}")]
    [InlineData("\"seed\":-9223372036854775808")]
    [InlineData("\"seed\":9223372036854775807")]
    [InlineData("\"priority\":-2147483648")]
    public async Task Completion_ParametersAtTheEndsOfTheirRanges_AreAccepted(string fields)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync("/v1/completions", $$"""{"model":"scripted","prompt":"a","max_tokens":2,{{fields}}}""");
        Assert.Single(server.Grid.Requests);
    }

    [Theory]
    [InlineData("""{"model":"scripted"}""", "messages")]
    [InlineData("""{"model":"scripted","messages":[]}""", "messages")]
    [InlineData("""{"model":"scripted","messages":"hey"}""", "messages")]
    [InlineData("""{"model":"scripted","messages":["hey"]}""", "messages[0]")]
    [InlineData("""{"model":"scripted","messages":[{"role":"user"}]}""", "messages[0].content")]
    [InlineData("""{"model":"scripted","messages":[{"role":"robot","content":"x"}]}""", "messages[0].role")]
    [InlineData("""{"model":"scripted","messages":[{"role":"user","content":5}]}""", "messages[0].content")]
    [InlineData("""{"model":"scripted","messages":[{"role":"user","content":["x"]}]}""", "messages[0].content[0]")]
    [InlineData("""{"model":"scripted","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}""", "messages[0].content[0].type")]
    [InlineData("""{"model":"scripted","messages":[{"role":"user","content":[{"type":"text"}]}]}""", "messages[0].content[0].text")]
    [InlineData("""{"model":"scripted","messages":[{"role":"assistant","tool_calls":5}]}""", "messages[0].tool_calls")]
    [InlineData("""{"model":"scripted","messages":[USER],"top_logprobs":1}""", "top_logprobs")]
    [InlineData("""{"model":"scripted","messages":[USER],"logprobs":2}""", "logprobs")]
    [InlineData("""{"model":"scripted","messages":[USER],"tools":{}}""", "tools")]
    [InlineData("""{"model":"scripted","messages":[USER],"tools":[{"type":"web"}]}""", "tools[0].type")]
    [InlineData("""{"model":"scripted","messages":[USER],"tools":[{"type":"function","function":{}}]}""", "tools[0].function.name")]
    [InlineData("""{"model":"scripted","messages":[USER],"tool_choice":"auto"}""", "tool_choice")]
    [InlineData("""{"model":"scripted","messages":[USER],"tools":[TOOL],"tool_choice":"required"}""", "tool_choice")]
    [InlineData("""{"model":"scripted","messages":[USER],"tools":[TOOL],"tool_choice":{"type":"function","function":{"name":"g"}}}""", "tool_choice")]
    [InlineData("""{"model":"scripted","messages":[USER],"response_format":{"type":"json_object"}}""", "response_format.type")]
    [InlineData("""{"model":"scripted","messages":[USER],"response_format":{"type":"json_schema","json_schema":{}}}""", "response_format.type")]
    [InlineData("""{"model":"scripted","messages":[USER],"chat_template_kwargs":[]}""", "chat_template_kwargs")]
    public async Task Chat_WrongField_Is400AndNamesIt(string body, string param) => await AssertRefusedAsync(
        "/v1/chat/completions",
        body.Replace("USER", """{"role":"user","content":"x"}""").Replace("TOOL", """{"type":"function","function":{"name":"f"}}"""),
        param);

    [Fact]
    public async Task Post_PromptBeyondTheContext_Is400WithItsCode()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        (int status, JsonObject error) = await server.FailAsync("/v1/completions", $$"""{"model":"scripted","prompt":"{{new string('a', 256)}}"}""");
        Assert.Equal((400, "context_length_exceeded"), (status, (string)error["code"]!));
    }

    [Fact]
    public async Task Post_UnknownFields_AreAcceptedAndLoggedOnce()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        for (int i = 0; i < 3; i++)
        {
            await server.CallAsync("/v1/completions", """{"model":"scripted","prompt":"a","frobnicate":{"x":1},"line\nbreak":2}""");
        }

        Assert.Equal(
            ["Warning: The request field 'frobnicate' is not known and has no effect.", "Warning: The request field 'line?break' is not known and has no effect."],
            server.Log.Lines.Where(line => line.Contains("not known")));
    }

    private static async Task AssertRefusedAsync(string path, string body, string param)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        (int status, JsonObject error) = await server.FailAsync(path, body);

        Assert.Equal((400, "invalid_request_error", param), (status, (string)error["type"]!, (string?)error["param"]));
        Assert.Empty(server.Grid.Requests);
    }
}
