using System.Text.Json.Serialization;

namespace ServingGrid.Gateway.OpenAi.Responses;

/// <summary>A whole answer of <c>/v1/chat/completions</c>.</summary>
internal sealed record ChatResponse(string Id, long Created, string Model, string SystemFingerprint)
{
    public string Object => "chat.completion";

    public required IReadOnlyList<ChatChoice> Choices { get; init; }

    public UsageResponse? Usage { get; init; }
}

internal sealed record ChatChoice(int Index, ChatAnswer Message, string FinishReason)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ChatLogProbabilities? Logprobs { get; init; }
}

internal sealed record ChatAnswer(string Role, string Content)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Refusal => null;
}

/// <summary>A chunk of a streamed answer; the last may have a usage and no choices.</summary>
internal sealed record ChatChunk(string Id, long Created, string Model, string SystemFingerprint)
{
    public string Object => "chat.completion.chunk";

    public required IReadOnlyList<ChatChunkChoice> Choices { get; init; }

    public UsageResponse? Usage { get; init; }
}

internal sealed record ChatChunkChoice(int Index, ChatDelta Delta)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ChatLogProbabilities? Logprobs { get; init; }
}

internal sealed record ChatDelta(string? Role = null, string? Content = null);

internal sealed record ChatLogProbabilities(IReadOnlyList<ChatTokenLogProbability> Content)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Refusal => null;
}

/// <param name="Token">The token's text, with U+FFFD where it is a part of a character.</param>
/// <param name="Logprob">Natural logarithm of its probability.</param>
/// <param name="Bytes">Its bytes, to be joined with its neighbours'.</param>
internal record TopLogProbability(string Token, float Logprob, IReadOnlyList<int> Bytes);

internal sealed record ChatTokenLogProbability(string Token, float Logprob, IReadOnlyList<int> Bytes, IReadOnlyList<TopLogProbability> TopLogprobs)
    : TopLogProbability(Token, Logprob, Bytes);
