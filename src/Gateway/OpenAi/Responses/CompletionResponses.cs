using System.Text.Json.Serialization;

namespace ServingGrid.Gateway.OpenAi.Responses;

/// <summary>An answer of <c>/v1/completions</c>, whole or a chunk of it: they have one shape.</summary>
internal sealed record CompletionResponse(string Id, long Created, string Model, string SystemFingerprint)
{
    public string Object => "text_completion";

    public required IReadOnlyList<CompletionChoice> Choices { get; init; }

    public UsageResponse? Usage { get; init; }
}

internal sealed record CompletionChoice(int Index, string Text)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public CompletionLogProbabilities? Logprobs { get; init; }
}

/// <summary>Four parallel lists, one entry for each token.</summary>
internal sealed record CompletionLogProbabilities(
    IReadOnlyList<string> Tokens,
    IReadOnlyList<float> TokenLogprobs,
    IReadOnlyList<IReadOnlyDictionary<string, float>> TopLogprobs,
    IReadOnlyList<int> TextOffset);
