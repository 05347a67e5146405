namespace ServingGrid.Model;

/// <summary>The values that one sampling parameter may have, both ends included.</summary>
/// <param name="Name">The parameter, as a request spells it.</param>
/// <param name="Least">The smallest value.</param>
/// <param name="Most">The largest value.</param>
public sealed record SamplingRange(string Name, double Least, double Most)
{
    /// <summary>
    /// Compared in single precision, so that what a request says in decimal digits is in or out whatever it was rounded to. NaN is out.
    /// </summary>
    public bool Holds(float value) => value >= (float)Least && value <= (float)Most;

    /// <summary>The parameter and what is wrong with its value, or null.</summary>
    public (string Parameter, string Message)? Check(float value) =>
        Holds(value) ? null : (Name, FormattableString.Invariant($"{Name} {value} is not in {Least} … {Most}"));

    /// <inheritdoc cref="Check(float)"/>
    public (string Parameter, string Message)? Check(int value) =>
        value >= Least && value <= Most ? null : (Name, FormattableString.Invariant($"{Name} {value} is not in {Least} … {Most}"));
}

/// <summary>
/// What sampling parameters may be: one definition for the gateway, for clients and for engines. Where OpenAI has a range it is OpenAI's
/// own. The others are those in which the arithmetic on logits of any model stays finite.
/// </summary>
public static class SamplingRanges
{
    /// <summary>Most tokens that a <see cref="LogitBias"/> may name: each costs time in every step.</summary>
    public const int MaxBiases = 1024;

    /// <summary>
    /// 0 is greedy. However small it is, it must not be taken for 0: the draw is then between the tokens that share the largest logit.
    /// </summary>
    public static SamplingRange Temperature { get; } = new("temperature", 0, 2);

    /// <summary>−1 and 0 keep all.</summary>
    public static SamplingRange TopK { get; } = new("top_k", -1, int.MaxValue);

    /// <summary>0 is greedy.</summary>
    public static SamplingRange TopP { get; } = new("top_p", 0, 1);

    public static SamplingRange MinP { get; } = new("min_p", 0, 1);

    /// <summary>
    /// OpenAI has none. It is a factor, so that both ends must be far from those of single precision: logits beyond ±65504 do not occur in
    /// models made for F16, and a hundred times that is still an ordinary number. What changes an answer's style lies in 0.8 … 2; at the
    /// ends seen tokens are as good as forced or forbidden.
    /// </summary>
    public static SamplingRange RepetitionPenalty { get; } = new("repetition_penalty", 0.01, 100);

    public static SamplingRange PresencePenalty { get; } = new("presence_penalty", -2, 2);

    public static SamplingRange FrequencyPenalty { get; } = new("frequency_penalty", -2, 2);

    /// <summary>Of each token.</summary>
    public static SamplingRange LogitBias { get; } = new("logit_bias", -100, 100);

    /// <summary>How many of the most likely tokens are reported beside each token.</summary>
    public static SamplingRange LogProbabilities { get; } = new("logprobs", 0, 64);

    /// <summary>The first thing that is wrong with biases for single tokens, or null.</summary>
    /// <param name="biases">By token, or null.</param>
    /// <param name="vocabularySize">Valid token ids are below it.</param>
    public static (string Parameter, string Message)? CheckBiases(IReadOnlyDictionary<int, float>? biases, int vocabularySize)
    {
        if (biases is null)
        {
            return null;
        }

        if (biases.Count > MaxBiases)
        {
            return (LogitBias.Name, $"{LogitBias.Name} names {biases.Count} tokens; at most {MaxBiases} are allowed");
        }

        foreach ((int token, float bias) in biases)
        {
            if ((uint)token >= (uint)vocabularySize)
            {
                return (LogitBias.Name, $"{LogitBias.Name} names token {token}, which is not in the vocabulary of {vocabularySize}");
            }

            if (LogitBias.Check(bias) is { } wrong)
            {
                return wrong;
            }
        }

        return null;
    }
}
