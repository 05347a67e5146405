namespace ServingGrid.Grains.Routing;

/// <summary>A device that may take a request, in the terms that policies compare.</summary>
/// <param name="DeviceId">Its id.</param>
/// <param name="CachedTokens">Prompt tokens that its prefix cache holds.</param>
/// <param name="PendingTokens">Prompt tokens that it has yet to compute.</param>
/// <param name="Requests">Requests there and on the way.</param>
/// <param name="HeldBlocks">KV blocks in use.</param>
/// <param name="TotalBlocks">KV blocks that it has.</param>
public readonly record struct Candidate(string DeviceId, int CachedTokens, long PendingTokens, int Requests, int HeldBlocks, int TotalBlocks);

/// <summary>What a policy needs to know of a request.</summary>
/// <param name="PromptTokens">Tokens to prefill, cached or not.</param>
/// <param name="BlockSize">Tokens of a block.</param>
public readonly record struct RoutingRequest(int PromptTokens, int BlockSize);

/// <summary>Chooses among devices. Thread-safe; makes no call.</summary>
public interface IRoutingPolicy
{
    /// <summary>As configured: "kv-aware".</summary>
    string Name { get; }

    /// <summary>Index of the choice.</summary>
    /// <param name="candidates">At least one.</param>
    /// <param name="request">The request.</param>
    /// <param name="random">Injected so that tests can seed it.</param>
    int Choose(ReadOnlySpan<Candidate> candidates, RoutingRequest request, Random random);
}
