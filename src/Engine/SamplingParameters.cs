namespace ServingGrid.Engine;

/// <summary>
/// How a sequence's tokens are chosen, with every default resolved. The steps, in this order: penalties and bias on the model's
/// logits, temperature, top-k, top-p (of what top-k left, renormalised), min-p, one draw. Immutable.
/// </summary>
public sealed record SamplingParameters
{
    /// <summary>The most likely token, always.</summary>
    public static SamplingParameters Greedy { get; } = new() { Temperature = 0 };

    /// <summary>0 is greedy; otherwise logits are divided by it.</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Keep the k most likely tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of most likely tokens whose probabilities sum to at least this. (0, 1].</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Keep tokens at least this likely relative to the most likely one. [0, 1].</summary>
    public float MinP { get; init; }

    /// <summary>Divides (multiplies, when negative) the logits of tokens seen in the prompt or the answer. 1 is off.</summary>
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Subtracted once from the logit of every token of the answer.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit for each time that the answer holds it.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of single tokens, or null.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>Key of the random numbers: the draw for a token depends on this and on the token's position alone.</summary>
    public ulong Seed { get; init; }

    /// <summary>Report each token's log-probability and this many most likely tokens beside it; null reports none.</summary>
    public int? LogProbabilities { get; init; }

    /// <summary>Most tokens that <see cref="LogProbabilities"/> may ask for.</summary>
    public const int MaxLogProbabilities = 64;

    /// <summary>True when the choice needs no more of the logits than the largest few, unchanged.</summary>
    internal bool NeedsOnlyCandidates(int most) =>
        LogProbabilities is null && LogitBias is not { Count: > 0 } && !HasPenalties && (Temperature == 0 || (TopK > 0 && TopK <= most));

    internal bool HasPenalties => RepetitionPenalty != 1f || PresencePenalty != 0f || FrequencyPenalty != 0f;

    /// <summary>The first value out of range, as (parameter, sentence), or null.</summary>
    /// <param name="vocabularySize">Valid token ids are below it.</param>
    public (string Parameter, string Message)? Check(int vocabularySize)
    {
        if (!(Temperature is >= 0 and <= 100))
        {
            return ("temperature", $"temperature {Temperature} is not in 0 … 100");
        }

        if (TopK < 0)
        {
            return ("top_k", $"top_k {TopK} is negative");
        }

        if (!(TopP is > 0 and <= 1))
        {
            return ("top_p", $"top_p {TopP} is not in (0, 1]");
        }

        if (!(MinP is >= 0 and <= 1))
        {
            return ("min_p", $"min_p {MinP} is not in [0, 1]");
        }

        if (!(RepetitionPenalty is > 0 and < float.PositiveInfinity))
        {
            return ("repetition_penalty", $"repetition_penalty {RepetitionPenalty} is not above 0");
        }

        if (!float.IsFinite(PresencePenalty) || !float.IsFinite(FrequencyPenalty))
        {
            return ("presence_penalty", "presence_penalty and frequency_penalty must be finite");
        }

        if (LogProbabilities is < 0 or > MaxLogProbabilities)
        {
            return ("logprobs", $"logprobs {LogProbabilities} is not in 0 … {MaxLogProbabilities}");
        }

        foreach ((int token, float bias) in LogitBias ?? new Dictionary<int, float>())
        {
            if ((uint)token >= (uint)vocabularySize || !float.IsFinite(bias))
            {
                return ("logit_bias", $"logit_bias of token {token} is not a finite number for one of {vocabularySize} tokens");
            }
        }

        return null;
    }
}
