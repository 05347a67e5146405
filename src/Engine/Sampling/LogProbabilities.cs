using System.Numerics.Tensors;
using ServingGrid.Model;

namespace ServingGrid.Engine.Sampling;

/// <summary>Log-probabilities of the model's own distribution. Works on buffers of its own; not thread-safe.</summary>
internal sealed class LogProbabilities(int vocabularySize)
{
    /// <summary>Of a token that cannot be, or is less likely than this: JSON has no infinity, and this is what OpenAI writes.</summary>
    public const float Least = -9999f;

    private readonly float[] _scratch = new float[vocabularySize];
    private readonly Candidate[] _best = new Candidate[(int)SamplingRanges.LogProbabilities.Most];

    /// <summary>A token's log-probability.</summary>
    public static float Of(float logit, double logSumExp) => (float)Math.Max(logit - logSumExp, Least);

    /// <summary>log Σ exp(logit).</summary>
    public double LogSumExp(ReadOnlySpan<float> logits)
    {
        float max = TensorPrimitives.Max(logits);
        Span<float> scratch = _scratch.AsSpan(0, logits.Length);
        TensorPrimitives.Subtract(logits, max, scratch);
        TensorPrimitives.Exp(scratch, scratch);
        double sum = 0;
        foreach (float weight in scratch)
        {
            sum += weight;
        }

        return max + Math.Log(sum);
    }

    /// <summary>The most likely tokens, most likely first.</summary>
    public IReadOnlyList<TokenProbability> Top(ReadOnlySpan<float> logits, int count, double logSumExp)
    {
        Span<Candidate> best = _best.AsSpan(0, Math.Min(count, logits.Length));
        if (best.IsEmpty)
        {
            return [];
        }

        TopSelector.SelectTop(logits, best);
        var top = new TokenProbability[best.Length];
        for (int i = 0; i < top.Length; i++)
        {
            top[i] = new TokenProbability(best[i].Token, Of(best[i].Logit, logSumExp));
        }

        return top;
    }
}
