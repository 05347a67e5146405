namespace ServingGrid.Gateway.OpenAi.Responses;

internal sealed record PromptTokensDetails(int CachedTokens);

/// <summary>Tokens of a whole request: each prompt once, the answers of all choices.</summary>
internal sealed record UsageResponse(int PromptTokens, int CompletionTokens, int TotalTokens, PromptTokensDetails PromptTokensDetails);
