namespace ServingGrid.Grains.Routing;

/// <summary>Each device in turn.</summary>
public sealed class RoundRobinPolicy : IRoutingPolicy
{
    private int _next = -1;

    /// <inheritdoc/>
    public string Name => "round-robin";

    /// <inheritdoc/>
    public int Choose(ReadOnlySpan<Candidate> candidates, RoutingRequest request, Random random) =>
        (int)((uint)Interlocked.Increment(ref _next) % (uint)candidates.Length);
}

/// <summary>The device with the fewest requests; ties at random.</summary>
public sealed class LeastLoadedPolicy : IRoutingPolicy
{
    /// <inheritdoc/>
    public string Name => "least-loaded";

    /// <inheritdoc/>
    public int Choose(ReadOnlySpan<Candidate> candidates, RoutingRequest request, Random random)
    {
        int best = 0, ties = 1;
        for (int i = 1; i < candidates.Length; i++)
        {
            int order = candidates[i].Requests.CompareTo(candidates[best].Requests);
            if (order < 0)
            {
                (best, ties) = (i, 1);
            }
            else if (order == 0 && random.Next(++ties) == 0)
            {
                best = i;
            }
        }

        return best;
    }
}

/// <summary>
/// The less loaded of two drawn at random: close to the best with hardly any knowledge, and no herd when the knowledge is old
/// (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
/// </summary>
public sealed class PowerOfTwoPolicy : IRoutingPolicy
{
    /// <inheritdoc/>
    public string Name => "power-of-two";

    /// <inheritdoc/>
    public int Choose(ReadOnlySpan<Candidate> candidates, RoutingRequest request, Random random)
    {
        int first = random.Next(candidates.Length);
        int second = random.Next(candidates.Length);
        return candidates[second].Requests < candidates[first].Requests ? second : first;
    }
}

/// <summary>The policies by name.</summary>
public static class RoutingPolicies
{
    /// <summary>What <see cref="Create"/> accepts.</summary>
    public static IReadOnlyList<string> Names { get; } = ["kv-aware", "round-robin", "least-loaded", "power-of-two"];

    /// <exception cref="ArgumentException">No such policy.</exception>
    public static IRoutingPolicy Create(string name) => name switch
    {
        "kv-aware" => new KvAwarePolicy(),
        "round-robin" => new RoundRobinPolicy(),
        "least-loaded" => new LeastLoadedPolicy(),
        "power-of-two" => new PowerOfTwoPolicy(),
        _ => throw new ArgumentException($"There is no routing policy {name}: {string.Join(", ", Names)} are.", nameof(name)),
    };
}
