namespace ServingGrid.Grains.Routing;

/// <summary>
/// The device with the lowest cost in blocks: those it would have to compute first (its queue and the part of this prompt that
/// its cache lacks) plus those it decodes from already. After the cost function of NVIDIA Dynamo's router; ties go to the one with fewer requests, then at random.
/// </summary>
public sealed class KvAwarePolicy : IRoutingPolicy
{
    /// <inheritdoc/>
    public string Name => "kv-aware";

    /// <summary>Cost of a candidate, in blocks.</summary>
    public static double Cost(in Candidate candidate, RoutingRequest request)
    {
        double prefill = Math.Max(candidate.PendingTokens + request.PromptTokens - candidate.CachedTokens, 0) / (double)request.BlockSize;
        double needed = (request.PromptTokens - candidate.CachedTokens) / (double)request.BlockSize;

        // Blocks that are not there have to be waited for: they count as if they had to be computed once more.
        double missing = Math.Max(candidate.HeldBlocks + needed - candidate.TotalBlocks, 0);
        return prefill + candidate.HeldBlocks + missing;
    }

    /// <inheritdoc/>
    public int Choose(ReadOnlySpan<Candidate> candidates, RoutingRequest request, Random random)
    {
        int best = 0, ties = 1;
        double cost = double.PositiveInfinity;
        for (int i = 0; i < candidates.Length; i++)
        {
            double other = Cost(candidates[i], request);
            int order = other.CompareTo(cost) is not 0 and var byCost ? byCost : candidates[i].Requests.CompareTo(candidates[best].Requests);
            if (order < 0)
            {
                (best, cost, ties) = (i, other, 1);
            }
            else if (order == 0 && random.Next(++ties) == 0)
            {
                best = i;
            }
        }

        return best;
    }
}
