using ServingGrid.Client;
using ServingGrid.Engine;

namespace ServingGrid.Grains.Workers;

/// <summary>Between the grid's messages and the engine's types.</summary>
internal static class EngineMapping
{
    /// <summary>What the engine computes for an attempt: the tokens that earlier attempts delivered are part of its prompt.</summary>
    public static SequenceRequest ToSequence(GenerateAttempt attempt)
    {
        GenerateRequest request = attempt.Request;
        SamplingOptions sampling = request.Sampling;
        return new SequenceRequest
        {
            Id = request.RequestId,
            Prompt = attempt.Generated.Length == 0 ? request.Prompt : [.. request.Prompt, .. attempt.Generated],
            GeneratedInPrompt = attempt.Generated.Length,
            MaxTokens = request.MaxTokens,
            MinTokens = request.MinTokens,
            IgnoreEos = request.IgnoreEos,
            StopStrings = request.StopStrings,
            CacheSalt = request.CacheSalt,
            Priority = request.Priority,
            Sampling = new SamplingParameters
            {
                Temperature = sampling.Temperature,
                TopK = sampling.TopK,
                TopP = sampling.TopP,
                MinP = sampling.MinP,
                RepetitionPenalty = sampling.RepetitionPenalty,
                PresencePenalty = sampling.PresencePenalty,
                FrequencyPenalty = sampling.FrequencyPenalty,
                LogitBias = sampling.LogitBias,
                Seed = (ulong)(sampling.Seed ?? Random.Shared.NextInt64()),
                LogProbabilities = sampling.LogProbabilities,
            },
        };
    }

    public static GeneratedToken ToToken(ChosenToken token) => new(token.Token)
    {
        LogProbability = token.LogProbability,
        Top = token.Top is null ? null : [.. token.Top.Select(top => new TokenLogProbability(top.Token, top.LogProbability))],
    };

    public static ChosenToken ToChosen(GeneratedToken token) => new(
        token.Token,
        token.LogProbability,
        token.Top is null ? null : [.. token.Top.Select(top => new TokenProbability(top.Token, top.LogProbability))]);

    public static FinishReason ToFinish(FinishCause cause) => cause switch
    {
        FinishCause.Stop => FinishReason.Stop,
        FinishCause.Length => FinishReason.Length,
        FinishCause.Cancelled => FinishReason.Cancelled,
        _ => throw new ArgumentOutOfRangeException(nameof(cause), cause, null),
    };

    public static GenerateUsage ToUsage(SequenceUsage usage) => new()
    {
        PromptTokens = usage.PromptTokens,
        CachedTokens = usage.CachedTokens,
        CompletionTokens = usage.CompletionTokens,
    };

    /// <param name="refusal">What the engine said.</param>
    /// <param name="device">Whose engine.</param>
    public static GridException ToException(Refusal refusal, string device) => refusal.Reason switch
    {
        RefusalReason.InvalidRequest or RefusalReason.TooLong or RefusalReason.Finished => new GridException(GridError.InvalidRequest, refusal.Message) { Parameter = refusal.Parameter },
        RefusalReason.QueueFull => new GridException(GridError.Overloaded, refusal.Message)
        {
            RetryAfter = refusal.RetryAfter ?? TimeSpan.FromSeconds(1),
            Device = device,
        },

        // Another silo may serve it.
        RefusalReason.Stopping or RefusalReason.Failed => new GridException(GridError.Unavailable, refusal.Message),
        _ => throw new ArgumentOutOfRangeException(nameof(refusal), refusal.Reason, null),
    };

    /// <param name="failure">What ended a sequence that the engine had accepted.</param>
    /// <param name="device">Whose engine.</param>
    public static GridException ToException(EngineException failure, string device) =>
        failure.BlamesSequence
            ? new GridException(GridError.RequestFailed, failure.Message) { Device = device }
            : new GridException(GridError.Unavailable, failure.Message);
}
