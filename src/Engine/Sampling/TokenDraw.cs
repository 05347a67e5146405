using System.Numerics.Tensors;

namespace ServingGrid.Engine.Sampling;

/// <summary>
/// Chooses a token of a logit vector by one random number. With no truncation the distribution is walked in order of id; with
/// top-k, top-p or min-p in order of likelihood, over the tokens that are left. Works on buffers of its own; not thread-safe.
/// </summary>
internal sealed class TokenDraw(int vocabularySize)
{
    private readonly float[] _weights = new float[vocabularySize];
    private readonly Candidate[] _candidates = new Candidate[vocabularySize];

    /// <summary>A token of the whole vector.</summary>
    /// <param name="logits">Every token's logit, penalties and bias applied; −∞ for those that must not be chosen.</param>
    /// <param name="largest">The largest of them, a number.</param>
    /// <param name="parameters">Temperature above 0.</param>
    /// <param name="uniform">In [0, 1).</param>
    public int Draw(ReadOnlySpan<float> logits, float largest, SamplingParameters parameters, double uniform)
    {
        if (parameters.TopK > 0 && parameters.TopK < logits.Length)
        {
            Span<Candidate> best = _candidates.AsSpan(0, parameters.TopK);
            TopSelector.SelectTop(logits, best);
            return Draw(best, parameters, uniform);
        }

        Span<float> weights = _weights.AsSpan(0, logits.Length);
        TensorPrimitives.Subtract(logits, largest, weights);
        TensorPrimitives.Divide(weights, parameters.Temperature, weights);
        TensorPrimitives.Exp(weights, weights);
        double total = Sum(weights);
        if (parameters.TopP >= 1 && parameters.MinP == 0)
        {
            return Walk(weights, uniform * total);
        }

        Span<Candidate> likely = Likely(logits, weights, parameters, total);
        return DrawOrdered(likely, parameters, total, uniform);
    }

    /// <summary>A token of the top-k candidates, best first, which is a number.</summary>
    public static int Draw(ReadOnlySpan<Candidate> best, SamplingParameters parameters, double uniform)
    {
        double total = 0;
        foreach (Candidate candidate in best)
        {
            total += Weight(candidate, best[0], parameters);
        }

        return DrawOrdered(best, parameters, total, uniform);
    }

    // The tokens outside weigh less than (1 − p) · total together, so the set that top-p keeps is among those inside.
    private Span<Candidate> Likely(ReadOnlySpan<float> logits, ReadOnlySpan<float> weights, SamplingParameters parameters, double total)
    {
        double leastForTopP = parameters.TopP >= 1 ? 0 : (1 - parameters.TopP) / logits.Length * total;
        // A hair below: the exact bounds are applied in order, to weights in double precision.
        float least = (float)(Math.Max(leastForTopP, parameters.MinP) * (1 - 1e-5));
        int count = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] >= least && weights[i] > 0)
            {
                _candidates[count++] = new Candidate(i, logits[i]);
            }
        }

        Span<Candidate> likely = _candidates.AsSpan(0, count);
        likely.Sort();
        return likely;
    }

    private static int DrawOrdered(ReadOnlySpan<Candidate> best, SamplingParameters parameters, double total, double uniform)
    {
        double enough = parameters.TopP >= 1 ? double.PositiveInfinity : parameters.TopP * total;
        double kept = 0;
        int count = 0;
        while (count < best.Length && kept < enough)
        {
            double weight = Weight(best[count], best[0], parameters);
            if (weight < parameters.MinP || weight == 0)
            {
                // In order of likelihood, all that follow are out too.
                break;
            }

            kept += weight;
            count++;
        }

        double target = uniform * kept;
        double sum = 0;
        for (int i = 0; i < count - 1; i++)
        {
            sum += Weight(best[i], best[0], parameters);
            if (sum > target)
            {
                return best[i].Token;
            }
        }

        return best[Math.Max(count - 1, 0)].Token;
    }

    // Probability relative to the best token's.
    private static double Weight(Candidate candidate, Candidate best, SamplingParameters parameters) =>
        Math.Exp(((double)candidate.Logit - best.Logit) / parameters.Temperature);

    private static double Sum(ReadOnlySpan<float> weights)
    {
        double total = 0;
        foreach (float weight in weights)
        {
            total += weight;
        }

        return total;
    }

    private static int Walk(ReadOnlySpan<float> weights, double target)
    {
        double sum = 0;
        int last = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] > 0)
            {
                sum += weights[i];
                last = i;
                if (sum > target)
                {
                    break;
                }
            }
        }

        return last;
    }
}
