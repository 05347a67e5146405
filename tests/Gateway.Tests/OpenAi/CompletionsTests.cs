using System.Text.Json.Nodes;
using ServingGrid.Client;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.OpenAi;

public sealed class CompletionsTests
{
    private const string Path = "/v1/completions";

    [Fact]
    public async Task Post_StringPrompt_AnswersInOpenAiShape()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        JsonNode answer = await server.CallAsync(Path, """{"model":"scripted","prompt":"abcd"}""");

        Assert.StartsWith("cmpl-", (string)answer["id"]!);
        Assert.Equal("text_completion", (string)answer["object"]!);
        Assert.Equal("scripted", (string)answer["model"]!);
        Assert.Equal("fp_0123456789ab", (string)answer["system_fingerprint"]!);
        Assert.InRange((long)answer["created"]!, DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        Assert.Equal("""[{"index":0,"text":"Hi!","finish_reason":"stop","logprobs":null}]""", answer["choices"]!.ToJsonString());
        Assert.Equal(
            """{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6,"prompt_tokens_details":{"cached_tokens":2}}""",
            answer["usage"]!.ToJsonString());
        GenerateRequest request = Assert.Single(server.Grid.Requests);
        Assert.Equal([97, 98, 99, 100], request.Prompt);
        Assert.Equal(16, request.MaxTokens);
        Assert.Equal(new SamplingOptions(), request.Sampling);
    }

    /// <summary>
    /// What the prompt was tokenized with, or its tokens checked against: the grid may serve another file of the name by then.
    /// </summary>
    [Theory]
    [InlineData("\"abcd\"")]
    [InlineData("[97,98]")]
    public async Task Post_Prompt_CarriesTheFingerprintOfItsModel(string prompt)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, $$"""{"model":"scripted","prompt":{{prompt}}}""");

        Assert.Equal(ScriptedGrid.Card.Fingerprint, Assert.Single(server.Grid.Requests).Fingerprint);
    }

    [Theory]
    [InlineData("""["a","bc"]""", "97;98,99")]
    [InlineData("""[1,2,3]""", "1,2,3")]
    [InlineData("""[[1,2],[3]]""", "1,2;3")]
    [InlineData("""["a",[5]]""", "97;5")]
    [InlineData("\"\"", "256")]
    public async Task Post_PromptForms_EachPromptIsARequest(string prompt, string tokens)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        JsonNode answer = await server.CallAsync(Path, $$"""{"model":"scripted","prompt":{{prompt}}}""");

        string[] expected = tokens.Split(';');
        Assert.Equal(expected, server.Grid.Requests.OrderBy(request => request.RequestId, StringComparer.Ordinal).Select(request => string.Join(',', request.Prompt)));
        Assert.Equal(Enumerable.Range(0, expected.Length), answer["choices"]!.AsArray().Select(choice => (int)choice!["index"]!));
        Assert.Equal(expected.Sum(part => part.Split(',').Length), (int)answer["usage"]!["prompt_tokens"]!);
    }

    [Fact]
    public async Task Post_AllOptions_ReachTheGrid()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, """
            {"model":"scripted","prompt":"a","max_tokens":9.0,"temperature":0.5,"top_p":0.25,"top_k":7,"min_p":0.125,"repetition_penalty":1.5,
             "presence_penalty":-1,"frequency_penalty":2,"logit_bias":{"5":-100,"6":2.5},"seed":-3,"logprobs":4,"stop":["x","yz"],"ignore_eos":true,
             "min_tokens":3,"cache_salt":"tenant","priority":-2,"user":"me","n":1,"best_of":1,"suffix":null}
            """);

        GenerateRequest request = Assert.Single(server.Grid.Requests);
        Assert.Equal((9, 3, true, "tenant", -2), (request.MaxTokens!.Value, request.MinTokens, request.IgnoreEos, request.CacheSalt!, request.Priority));
        Assert.Equal(["x", "yz"], request.StopStrings);
        Assert.Equal(new Dictionary<int, float> { [5] = -100, [6] = 2.5f }, request.Sampling.LogitBias);
        var expected = new SamplingOptions
        {
            Temperature = 0.5f,
            TopP = 0.25f,
            TopK = 7,
            MinP = 0.125f,
            RepetitionPenalty = 1.5f,
            PresencePenalty = -1,
            FrequencyPenalty = 2,
            Seed = -3,
            LogProbabilities = 4,
        };
        Assert.Equal(expected, request.Sampling with { LogitBias = null });
    }

    [Fact]
    public async Task Post_SeveralChoices_FirstKeepsTheSeedAndPromptCountsOnce()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (request, _) => ScriptedGrid.Say(request, $"{request.Sampling.Seed}");
        JsonNode answer = await server.CallAsync(Path, """{"model":"scripted","prompt":["ab","cd"],"n":3,"seed":42}""");

        string[] texts = [.. answer["choices"]!.AsArray().Select(choice => (string)choice!["text"]!)];
        Assert.Equal("42", texts[0]);
        Assert.Equal(3, texts[..3].Distinct().Count());
        Assert.Equal(texts[..3], texts[3..]);
        Assert.Equal(4, (int)answer["usage"]!["prompt_tokens"]!);
        Assert.Equal(6, (int)answer["usage"]!["completion_tokens"]!);
        Assert.Equal(6, server.Grid.Requests.Select(request => request.RequestId).Distinct().Count());
    }

    [Theory]
    [InlineData("\"caf\\u00e9 \"", "café Hi!")]
    [InlineData("[72,105]", "HiHi!")]
    public async Task Post_Echo_AnswerBeginsWithThePrompt(string prompt, string text)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        JsonNode answer = await server.CallAsync(Path, $$"""{"model":"scripted","prompt":{{prompt}},"echo":true}""");
        Assert.Equal(text, (string)answer["choices"]![0]!["text"]!);

        IReadOnlyList<string> events = await server.StreamAsync(Path, $$"""{"model":"scripted","prompt":{{prompt}},"echo":true,"stream":true}""");
        Assert.Equal(text, string.Concat(events.SkipLast(1).Select(data => (string)JsonNode.Parse(data)!["choices"]![0]!["text"]!)));
    }

    [Theory]
    [InlineData(Path, "\"prompt\":\"a\",\"logprobs\":1")]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"logprobs\":true,\"top_logprobs\":1")]
    public async Task Post_ImpossibleTokenAmongTheLikely_HasANumber(string path, string fields)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (request, _) => new[]
        {
            new TextUpdate
            {
                Text = "H",
                Tokens = [new GeneratedToken('H') { LogProbability = 0, Top = [new TokenLogProbability('I', float.NegativeInfinity)] }],
                Finish = FinishReason.Length,
                Usage = ScriptedGrid.Usage(request, 1),
            },
        }.ToAsyncEnumerable();
        JsonNode answer = await server.CallAsync(path, $$"""{"model":"scripted",{{fields}}}""");
        Assert.Contains("-9999", answer["choices"]![0]!["logprobs"]!.ToJsonString());
    }

    [Theory]
    [InlineData(255, 1)]
    [InlineData(250, 6)]
    [InlineData(240, 16)]
    public async Task Post_NoLimitNearTheContextsEnd_TakesWhatIsLeft(int promptTokens, int expected)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        await server.CallAsync(Path, $$"""{"model":"scripted","prompt":"{{new string('a', promptTokens)}}"}""");
        Assert.Equal(expected, Assert.Single(server.Grid.Requests).MaxTokens);
    }

    [Fact]
    public async Task Post_LogProbabilities_AreParallelLists()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Grid.Script = (request, _) => ScriptedGrid.Say(request, "H", "\u00e9");
        JsonNode answer = await server.CallAsync(Path, """{"model":"scripted","prompt":"a","logprobs":2}""");

        Assert.Equal(
            """{"tokens":["H","bytes:\\xe9"],"token_logprobs":[-0.5,-0.5],"top_logprobs":[{"H":-0.5,"I":-1.5},{"bytes:\\xe9":-0.5,"bytes:\\xea":-1.5}],"text_offset":[0,1]}""",
            answer["choices"]![0]!["logprobs"]!.ToJsonString());
    }
}
