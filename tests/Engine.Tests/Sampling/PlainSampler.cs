namespace ServingGrid.Engine.Tests.Sampling;

/// <summary>What sampling means, step by step, in double precision over all tokens: the reference for the fast sampler.</summary>
internal static class PlainSampler
{
    /// <summary>The distribution that the parameters leave, in the order in which one random number walks it.</summary>
    public static List<(int Token, double Probability)> Distribution(float[] logits, SamplingParameters parameters)
    {
        List<(int Token, double Weight)> all = [.. logits.Select((logit, token) => (token, Math.Exp(((double)logit - logits.Max()) / parameters.Temperature)))];
        List<(int Token, double Weight)> kept = [.. all.OrderByDescending(one => logits[one.Token]).ThenBy(one => one.Token)];
        bool truncates = (parameters.TopK > 0 && parameters.TopK < logits.Length) || parameters.TopP < 1 || parameters.MinP > 0;
        if (parameters.TopK > 0)
        {
            kept = [.. kept.Take(parameters.TopK)];
        }

        if (parameters.TopP < 1)
        {
            double enough = parameters.TopP * kept.Sum(one => one.Weight);
            double sum = 0;
            int count = 0;
            while (count < kept.Count && sum < enough)
            {
                sum += kept[count++].Weight;
            }

            kept = [.. kept.Take(count)];
        }

        kept = [.. kept.Where(one => one.Weight >= parameters.MinP)];
        double total = kept.Sum(one => one.Weight);
        return [.. (truncates ? kept : all).Select(one => (one.Token, one.Weight / total))];
    }

    /// <summary>The token under which <paramref name="uniform"/> falls, and how far it is from the border to a neighbour.</summary>
    public static (int Token, double Margin) Draw(List<(int Token, double Probability)> distribution, double uniform)
    {
        double below = 0;
        foreach ((int token, double probability) in distribution)
        {
            if (uniform < below + probability)
            {
                return (token, Math.Min(below == 0 ? 1 : uniform - below, below + probability - uniform));
            }

            below += probability;
        }

        return (distribution[^1].Token, 0);
    }
}
