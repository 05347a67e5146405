using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Models;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>OpenAI's own client for .NET against the real process.</summary>
public sealed class OpenAiSdkTests(BundledGateway bundled)
{
    private const string Question = "What is the capital of France?";

    private readonly OpenAIClient _client = new(
        new ApiKeyCredential("unused"),
        new OpenAIClientOptions { Endpoint = new Uri(bundled.Process.Address, "/v1"), RetryPolicy = new ClientRetryPolicy(0) });

    [Fact]
    public async Task Models_Listed_HasTheBundledOne()
    {
        OpenAIModelCollection models = await _client.GetOpenAIModelClient().GetModelsAsync();
        Assert.Equal([BundledGateway.Model], models.Select(model => model.Id));
        Assert.Equal(BundledGateway.Model, (await _client.GetOpenAIModelClient().GetModelAsync(BundledGateway.Model)).Value.Id);
    }

    [Fact]
    public async Task Chat_WholeAndStreamed_SameAnswer()
    {
        ChatClient chat = _client.GetChatClient(BundledGateway.Model);
        var options = new ChatCompletionOptions { Temperature = 0 };
        ChatCompletion whole = await chat.CompleteChatAsync([new UserChatMessage(Question)], options);
        Assert.Contains("Paris", whole.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, whole.FinishReason);
        Assert.True(whole.Usage.OutputTokenCount > 0);

        string text = "";
        ChatFinishReason? finish = null;
        ChatTokenUsage? usage = null;
        await foreach (StreamingChatCompletionUpdate update in chat.CompleteChatStreamingAsync([new UserChatMessage(Question)], options))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            finish = update.FinishReason ?? finish;
            usage = update.Usage ?? usage;
        }

        Assert.Equal(whole.Content[0].Text, text);
        Assert.Equal(ChatFinishReason.Stop, finish);
        Assert.Equal(whole.Usage.TotalTokenCount, usage!.TotalTokenCount);
    }

    [Fact]
    public async Task Chat_LogProbabilities_AreRead()
    {
        ChatClient chat = _client.GetChatClient(BundledGateway.Model);
        var options = new ChatCompletionOptions { Temperature = 0, IncludeLogProbabilities = true, TopLogProbabilityCount = 3 };
        ChatCompletion answer = await chat.CompleteChatAsync([new UserChatMessage(Question)], options);

        Assert.Equal(answer.Content[0].Text, string.Concat(answer.ContentTokenLogProbabilities.Select(token => token.Token)));
        Assert.All(answer.ContentTokenLogProbabilities, token =>
        {
            Assert.InRange(token.LogProbability, -20, 0);
            Assert.Equal(3, token.TopLogProbabilities.Count);
            Assert.Equal(token.TopLogProbabilities[0].Token, token.Token); // greedy
        });
    }

    [Fact]
    public async Task Chat_AbsentModel_IsA404ForTheSdk()
    {
        ClientResultException failure = await Assert.ThrowsAsync<ClientResultException>(
            async () => await _client.GetChatClient("absent").CompleteChatAsync([new UserChatMessage(Question)]));
        Assert.Equal(404, failure.Status);
        Assert.Contains("model_not_found", failure.Message);
    }

    // This SDK has no type for the older endpoint; its pipeline sends it all the same.
    [Fact]
    public async Task Completion_ThroughThePipeline_Answers()
    {
        using PipelineMessage message = _client.Pipeline.CreateMessage();
        message.Request.Method = "POST";
        message.Request.Uri = new Uri(bundled.Process.Address, "/v1/completions");
        message.Request.Headers.Set("Content-Type", "application/json");
        message.Request.Content = BinaryContent.Create(BinaryData.FromString(
            $$"""{"model":"{{BundledGateway.Model}}","prompt":"The capital of","max_tokens":8,"temperature":0}"""));
        await _client.Pipeline.SendAsync(message);

        Assert.Equal(200, message.Response!.Status);
        JsonNode answer = JsonNode.Parse(message.Response.Content)!;
        Assert.NotEqual("", (string)answer["choices"]![0]!["text"]!);
        Assert.InRange((int)answer["usage"]!["completion_tokens"]!, 1, 8);
    }
}
