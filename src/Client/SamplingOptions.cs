using ServingGrid.Model;

namespace ServingGrid.Client;

/// <summary>
/// How tokens are chosen. The defaults sample from the model's own distribution. Values out of range (<see cref="SamplingRanges"/>) are
/// refused.
/// </summary>
[GenerateSerializer, Immutable]
public sealed record SamplingOptions
{
    /// <summary>0 is greedy; otherwise logits are divided by it. 0 … 2.</summary>
    [Id(0)]
    public float Temperature { get; init; } = 1f;

    /// <summary>Keep the k most likely tokens; 0 and −1 keep all.</summary>
    [Id(1)]
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of most likely tokens whose probabilities sum to at least this; 0 is greedy. 0 … 1.</summary>
    [Id(2)]
    public float TopP { get; init; } = 1f;

    /// <summary>Keep tokens at least this likely relative to the most likely one. 0 … 1.</summary>
    [Id(3)]
    public float MinP { get; init; }

    /// <summary>Divides (multiplies, when negative) the logits of tokens seen in the prompt or the answer. 1 is off. 0.01 … 100.</summary>
    [Id(4)]
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Subtracted once from the logit of every token of the answer. −2 … 2.</summary>
    [Id(5)]
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit for each time that the answer holds it. −2 … 2.</summary>
    [Id(6)]
    public float FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of single tokens, or null. −100 … 100 each.</summary>
    [Id(7)]
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>
    /// With the same seed, request and numerics class (<see cref="TextUpdate.Numerics"/>) the tokens are the same. Null draws one.
    /// </summary>
    [Id(8)]
    public long? Seed { get; init; }

    /// <summary>Report the log-probability of each token and of this many most likely ones beside it; null reports none. 0 … 64.</summary>
    [Id(9)]
    public int? LogProbabilities { get; init; }

    /// <summary>The first value out of range, as (parameter, sentence), or null.</summary>
    /// <param name="vocabularySize">Valid token ids are below it.</param>
    internal (string Parameter, string Message)? Check(int vocabularySize) =>
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
