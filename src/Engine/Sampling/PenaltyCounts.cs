namespace ServingGrid.Engine.Sampling;

/// <summary>Which tokens a sequence holds, for penalties. Belongs to one sequence; engine's thread.</summary>
internal sealed class PenaltyCounts
{
    private readonly Dictionary<int, int> _answerCounts = [];

    /// <param name="prompt">All tokens given.</param>
    /// <param name="answerStart">Those from here on are part of the answer.</param>
    public PenaltyCounts(ReadOnlySpan<int> prompt, int answerStart)
    {
        foreach (int token in prompt[..answerStart])
        {
            _answerCounts.TryAdd(token, 0);
        }

        foreach (int token in prompt[answerStart..])
        {
            Add(token);
        }
    }

    /// <summary>One more token of the answer.</summary>
    public void Add(int token) => _answerCounts[token] = _answerCounts.GetValueOrDefault(token) + 1;

    /// <summary>Changes the logits of the tokens seen: repetition first, then presence and frequency.</summary>
    public void Apply(SamplingParameters parameters, Span<float> logits)
    {
        foreach ((int token, int count) in _answerCounts)
        {
            float logit = logits[token];
            if (!float.IsFinite(logit))
            {
                // Forbidden, and stays so.
                continue;
            }

            logit = logit > 0 ? logit / parameters.RepetitionPenalty : logit * parameters.RepetitionPenalty;
            logits[token] = LogitRule.Adjusted(
                count == 0 ? logit : logit - parameters.PresencePenalty - (count * parameters.FrequencyPenalty));
        }
    }
}
