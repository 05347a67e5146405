using System.Numerics.Tensors;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Kernels;
using Tensor = ServingGrid.Kernels.Tensor;

namespace ServingGrid.Engine.Sampling;

/// <summary>
/// Chooses the next token of each sequence of a step. Where the choice needs the largest few logits alone, only those travel from the
/// device; otherwise the whole row does. Both ways yield the same token. Engine's thread.
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
    /// A token for each row: <paramref name="chosen"/>[i] for <paramref name="rows"/>[i] by row i of <paramref name="logits"/>; null where the
    /// logits are not numbers. Waits for the device.
    /// </summary>
    public void Sample(Device device, Tensor logits, IReadOnlyList<Sequence> rows, Span<ChosenToken?> chosen)
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
                chosen[row] = FromCandidates(rows[row], _candidateIds.AsSpan(first, candidates), _candidateLogits.AsSpan(first, candidates));
            }
            else
            {
                device.Read(logits, row, 1, _logits);
                chosen[row] = FromLogits(rows[row], _logits);
            }
        }
    }

    /// <summary>By the whole row, which is changed.</summary>
    internal ChosenToken? FromLogits(Sequence sequence, Span<float> logits)
    {
        SamplingParameters parameters = sequence.Request.Sampling;
        float max = TensorPrimitives.Max((ReadOnlySpan<float>)logits);
        if (!float.IsFinite(max))
        {
            return null;
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
        int token = parameters.Temperature == 0
            ? logits.IndexOf(TensorPrimitives.Max((ReadOnlySpan<float>)logits))
            : _draw.Draw(logits, parameters, Uniform(sequence));
        return parameters.LogProbabilities is null
            ? new ChosenToken(token)
            : new ChosenToken(token, (float)(_unchanged[token] - logSumExp), top);
    }

    /// <summary>By the largest logits, best first.</summary>
    internal ChosenToken? FromCandidates(Sequence sequence, ReadOnlySpan<int> ids, ReadOnlySpan<float> logits)
    {
        if (!float.IsFinite(logits[0]))
        {
            return null;
        }

        SamplingParameters parameters = sequence.Request.Sampling;
        IReadOnlyList<int> forbidden = sequence.Stop.Forbidden(sequence.AnswerLength);
        int most = parameters.Temperature == 0 ? 1 : Math.Min(parameters.TopK, _vocabularySize);
        int count = 0;
        for (int i = 0; i < ids.Length && count < most; i++)
        {
            if (!Contains(forbidden, ids[i]))
            {
                _candidates[count++] = new Candidate(ids[i], logits[i]);
            }
        }

        return new ChosenToken(parameters.Temperature == 0
            ? _candidates[0].Token
            : TokenDraw.Draw(_candidates.AsSpan(0, count), parameters, Uniform(sequence)));
    }

    // 0: the whole row is needed.
    private int CandidatesFor(Sequence sequence)
    {
        SamplingParameters parameters = sequence.Request.Sampling;
        if (!parameters.NeedsOnlyCandidates(MostCandidates))
        {
            return 0;
        }

        int wanted = (parameters.Temperature == 0 ? 1 : parameters.TopK) + sequence.Stop.Forbidden(sequence.AnswerLength).Count;
        return Math.Min(wanted, _vocabularySize);
    }

    private static void Adjust(Sequence sequence, Span<float> logits)
    {
        SamplingParameters parameters = sequence.Request.Sampling;
        sequence.Penalties?.Apply(parameters, logits);
        if (parameters.LogitBias is { } bias)
        {
            foreach ((int token, float amount) in bias)
            {
                logits[token] += amount;
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
