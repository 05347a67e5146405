using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace ServingGrid.Client.Chat;

/// <summary>Between Microsoft.Extensions.AI's types and the grid's.</summary>
internal static class ChatMapping
{
    /// <summary>Messages as chat templates read them.</summary>
    /// <exception cref="GridException"><see cref="GridError.InvalidRequest"/>: content that is not text.</exception>
    public static JsonArray ToJson(IEnumerable<ChatMessage> messages, string? instructions)
    {
        JsonArray json = [];
        if (!string.IsNullOrEmpty(instructions))
        {
            json.Add(Message(ChatRole.System.Value, instructions));
        }

        foreach (ChatMessage message in messages)
        {
            if (message.Contents.FirstOrDefault(content => content is not (TextContent or UsageContent)) is { } other)
            {
                throw Invalid($"The grid takes text only, not {other.GetType().Name}.", "messages");
            }

            json.Add(Message(message.Role.Value, message.Text));
        }

        return json;
    }

    public static GenerateRequest ToRequest(ModelCard model, int[] prompt, ChatOptions? options)
    {
        if (options?.Tools is { Count: > 0 })
        {
            throw Invalid("Tools are not supported by this client.", "tools");
        }

        if (options?.ResponseFormat is not (null or ChatResponseFormatText))
        {
            throw Invalid("Only text responses are supported by this client.", "response_format");
        }

        SamplingOptions defaults = new();
        return new GenerateRequest
        {
            RequestId = $"chat-{Guid.NewGuid():N}",
            Model = model.Name,
            Prompt = prompt,
            Fingerprint = model.Fingerprint,
            MaxTokens = options?.MaxOutputTokens,
            StopStrings = options?.StopSequences is { } stops ? [.. stops] : [],
            Sampling = defaults with
            {
                Temperature = options?.Temperature ?? defaults.Temperature,
                TopP = options?.TopP ?? defaults.TopP,
                TopK = options?.TopK ?? defaults.TopK,
                FrequencyPenalty = options?.FrequencyPenalty ?? defaults.FrequencyPenalty,
                PresencePenalty = options?.PresencePenalty ?? defaults.PresencePenalty,
                Seed = options?.Seed,
            },
        };
    }

    public static ChatFinishReason? ToFinish(FinishReason? finish) => finish switch
    {
        FinishReason.Stop => ChatFinishReason.Stop,
        FinishReason.Length => ChatFinishReason.Length,
        _ => null,
    };

    public static UsageDetails ToUsage(GenerateUsage usage) => new()
    {
        InputTokenCount = usage.PromptTokens,
        OutputTokenCount = usage.CompletionTokens,
        TotalTokenCount = usage.PromptTokens + usage.CompletionTokens,
        CachedInputTokenCount = usage.CachedTokens,
    };

    private static JsonObject Message(string role, string text) => new() { ["role"] = role, ["content"] = text };

    private static GridException Invalid(string message, string parameter) => new(GridError.InvalidRequest, message) { Parameter = parameter };
}
