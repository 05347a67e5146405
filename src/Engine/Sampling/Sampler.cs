using ServingGrid.Engine.Scheduling;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Sampling;

/// <summary>
/// Chooses the next token of each sequence of a step. Where the choice needs the largest few logits alone, only those travel from the
/// device; otherwise the whole row does. Both ways yield the same token, and find the same rows invalid (<see cref="LogitRule"/>). Engine's
/// thread.
/// </summary>
internal sealed class Sampler
{
    /// <summary>Most candidates that are asked of a device instead of whole rows.</summary>
    public const int MostCandidates = 64;

    private readonly int _vocabularySize;
    private readonly TokenDraw _draw;
    private readonly LogProbabilities _probabilities;
    private readonly int[] _wholeRows;
    private readonly float[] _logits;
    private readonly int[] _candidateIds;
    private readonly float[] _candidateLogits;
    private readonly Candidate[] _candidates;
    private readonly float[] _unchanged;

    /// <param name="vocabularySize">Columns of the logits.</param>
    /// <param name="maxRows">Most sequences of a step.</param>
    /// <param name="endTokens">How many tokens a sequence may forbid.</param>
    public Sampler(int vocabularySize, int maxRows, int endTokens)
    {
        _vocabularySize = vocabularySize;
        _draw = new TokenDraw(vocabularySize);
        _probabilities = new LogProbabilities(vocabularySize);
        _wholeRows = new int[maxRows];
        _logits = new float[vocabularySize];
        _unchanged = new float[vocabularySize];
        int most = MostCandidates + endTokens;
        _candidateIds = new int[maxRows * most];
        _candidateLogits = new float[maxRows * most];
        _candidates = new Candidate[most];
    }

    /// <summary>
    /// What becomes of each row: <paramref name="choices"/>[i] for <paramref name="rows"/>[i] by row i of <paramref name="logits"/>. Waits
    /// for the device. What goes wrong for one row is that row's outcome; what the device throws is thrown.
    /// </summary>
    public void Sample(Device device, Tensor logits, IReadOnlyList<SampledRow> rows, Span<Choice> choices)
    {
        int candidates = 0;
        int wholeRows = 0;
        for (int row = 0; row < rows.Count; row++)
        {
            candidates = Math.Max(candidates, CandidatesFor(rows[row]));
            if (CandidatesFor(rows[row]) == 0)
            {
                _wholeRows[wholeRows++] = row;
            }
        }

        if (candidates > 0)
        {
            device.TopCandidates(logits, rows.Count, candidates, _candidateIds.AsSpan(0, rows.Count * candidates), _candidateLogits.AsSpan(0, rows.Count * candidates));
        }

        device.ExpectReads(logits, _wholeRows.AsSpan(0, wholeRows));
        for (int row = 0; row < rows.Count; row++)
        {
            if (CandidatesFor(rows[row]) > 0)
            {
                int first = row * candidates;
                choices[row] = Choose(rows[row], _candidateIds.AsSpan(first, candidates), _candidateLogits.AsSpan(first, candidates));
            }
            else
            {
                device.Read(logits, row, 1, _logits);
                choices[row] = Choose(rows[row], [], _logits);
            }
        }
    }

    /// <summary>By the whole row, which is changed.</summary>
    internal Choice FromLogits(Sequence sequence, Span<float> logits)
    {
        SamplingParameters parameters = sequence.Request.Sampling;
        if (!LogitRule.Allows(LogitRule.Largest(logits)))
        {
            return new Choice(ChoiceOutcome.NotNumbers);
        }

        double logSumExp = 0;
        IReadOnlyList<TokenProbability>? top = null;
        if (parameters.LogProbabilities is { } count)
        {
            logSumExp = _probabilities.LogSumExp(logits);
            top = _probabilities.Top(logits, count, logSumExp);
            logits.CopyTo(_unchanged);
        }

        Adjust(sequence, logits);
        float largest = LogitRule.Largest(logits);
        if (!LogitRule.Allows(largest))
        {
            return new Choice(ChoiceOutcome.NothingAllowed);
        }

        int token = parameters.IsGreedy ? logits.IndexOf(largest) : _draw.Draw(logits, largest, parameters, Uniform(sequence));
        return new Choice(ChoiceOutcome.Chosen, parameters.LogProbabilities is null
            ? new ChosenToken(token)
            : new ChosenToken(token, LogProbabilities.Of(_unchanged[token], logSumExp), top));
    }

    /// <summary>By the largest logits, best first.</summary>
    internal Choice FromCandidates(Sequence sequence, ReadOnlySpan<int> ids, ReadOnlySpan<float> logits)
    {
        if (!LogitRule.Allows(logits[0]))
        {
            return new Choice(ChoiceOutcome.NotNumbers);
        }

        SamplingParameters parameters = sequence.Request.Sampling;
        IReadOnlyList<int> forbidden = sequence.Stop.Forbidden(sequence.AnswerLength);
        int most = parameters.IsGreedy ? 1 : parameters.TopK;
        int count = 0;
        for (int i = 0; i < ids.Length && count < most; i++)
        {
            if (!Contains(forbidden, ids[i]))
            {
                _candidates[count++] = new Candidate(ids[i], logits[i]);
            }
        }

        if (count == 0 || !LogitRule.Allows(_candidates[0].Logit))
        {
            return new Choice(ChoiceOutcome.NothingAllowed);
        }

        int token = parameters.IsGreedy
            ? _candidates[0].Token
            : TokenDraw.Draw(_candidates.AsSpan(0, count), parameters, Uniform(sequence));
        return new Choice(ChoiceOutcome.Chosen, new ChosenToken(token));
    }

    /// <summary>How many candidates suffice for a row; 0: the whole row is needed.</summary>
    internal int CandidatesFor(SampledRow row)
    {
        if (!row.Chooses)
        {
            // The first says whether the row is valid.
            return 1;
        }

        SamplingParameters parameters = row.Sequence.Request.Sampling;
        if (!parameters.NeedsOnlyCandidates(MostCandidates, _vocabularySize))
        {
            return 0;
        }

        int wanted = (parameters.IsGreedy ? 1 : parameters.TopK) + row.Sequence.Stop.Forbidden(row.Sequence.AnswerLength).Count;
        return Math.Min(wanted, _vocabularySize);
    }

    // Whatever is thrown here is thrown for this sequence alone: the others of the step have nothing to do with it.
    private Choice Choose(SampledRow row, ReadOnlySpan<int> ids, Span<float> logits)
    {
        try
        {
            return ids.IsEmpty ? FromLogits(row.Sequence, logits)
                : row.Chooses ? FromCandidates(row.Sequence, ids, logits)
                : new Choice(LogitRule.Allows(logits[0]) ? ChoiceOutcome.Checked : ChoiceOutcome.NotNumbers);
        }
        catch (Exception e)
        {
            return new Choice(ChoiceOutcome.Threw, Error: e);
        }
    }

    private static void Adjust(Sequence sequence, Span<float> logits)
    {
        SamplingParameters parameters = sequence.Request.Sampling;
        sequence.Penalties?.Apply(parameters, logits);
        if (parameters.LogitBias is { } bias)
        {
            foreach ((int token, float amount) in bias)
            {
                if (float.IsFinite(logits[token]))
                {
                    logits[token] = LogitRule.Adjusted(logits[token] + amount);
                }
            }
        }

        foreach (int token in sequence.Stop.Forbidden(sequence.AnswerLength))
        {
            logits[token] = float.NegativeInfinity;
        }
    }

    // A token's draw depends on its position in the sequence.
    private static double Uniform(Sequence sequence) => CounterRandom.Uniform(sequence.Request.Sampling.Seed, sequence.Count);

    private static bool Contains(IReadOnlyList<int> tokens, int token)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            if (tokens[i] == token)
            {
                return true;
            }
        }

        return false;
    }
}
