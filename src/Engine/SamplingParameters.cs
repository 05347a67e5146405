using ServingGrid.Model;

namespace ServingGrid.Engine;

/// <summary>
/// How a sequence's tokens are chosen, with every default resolved. The steps, in this order: penalties and bias on the model's
/// logits, temperature, top-k, top-p (of what top-k left, renormalised), min-p, one draw. Ranges: <see cref="SamplingRanges"/>. Immutable.
/// </summary>
public sealed record SamplingParameters
{
    /// <summary>The most likely token, always.</summary>
    public static SamplingParameters Greedy { get; } = new() { Temperature = 0 };

    /// <summary>0 is greedy; otherwise logits are divided by it.</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Keep the k most likely tokens; 0 and −1 keep all.</summary>
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of most likely tokens whose probabilities sum to at least this; 0 is greedy.</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Keep tokens at least this likely relative to the most likely one.</summary>
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

    /// <summary>The most likely token is the only one that can be chosen.</summary>
    internal bool IsGreedy => Temperature == 0 || TopP == 0;

    internal bool HasPenalties => RepetitionPenalty != 1f || PresencePenalty != 0f || FrequencyPenalty != 0f;

    /// <summary>True when the choice needs no more of the logits than the largest few, unchanged.</summary>
    /// <param name="most">How many that may be.</param>
    /// <param name="vocabularySize">To keep as many as there are is to keep all, in order of id.</param>
    internal bool NeedsOnlyCandidates(int most, int vocabularySize) =>
        LogProbabilities is null && LogitBias is not { Count: > 0 } && !HasPenalties
        && (IsGreedy || (TopK > 0 && TopK <= most && TopK < vocabularySize));

    /// <summary>The first value out of range, as (parameter, sentence), or null.</summary>
    /// <param name="vocabularySize">Valid token ids are below it.</param>
    public (string Parameter, string Message)? Check(int vocabularySize) =>
        SamplingRanges.Temperature.Check(Temperature)
        ?? SamplingRanges.TopK.Check(TopK)
        ?? SamplingRanges.TopP.Check(TopP)
        ?? SamplingRanges.MinP.Check(MinP)
        ?? SamplingRanges.RepetitionPenalty.Check(RepetitionPenalty)
        ?? SamplingRanges.PresencePenalty.Check(PresencePenalty)
        ?? SamplingRanges.FrequencyPenalty.Check(FrequencyPenalty)
        ?? SamplingRanges.LogProbabilities.Check(LogProbabilities ?? 0)
        ?? SamplingRanges.CheckBiases(LogitBias, vocabularySize);
}
