using ServingGrid.Model;

namespace ServingGrid.Client.Requests;

/// <summary>The names of the KV blocks that an attempt's prompt consists of, as the router compares them.</summary>
internal static class PromptHashes
{
    /// <summary>Blocks beyond these do not matter for the choice of a device: 8 KB in the first call.</summary>
    public const int MaxBlocks = 1024;

    /// <summary>Low 8 bytes of the chained hash of each full block.</summary>
    public static ulong[] Compute(GenerateAttempt attempt, ModelCard model)
    {
        GenerateRequest request = attempt.Request;
        int[] tokens = attempt.Generated.Length == 0 ? request.Prompt : [.. request.Prompt, .. attempt.Generated];
        ReadOnlySpan<int> hashed = tokens.AsSpan(0, Math.Min(tokens.Length, MaxBlocks * model.BlockSize));
        UInt128[] chain = BlockHasher.Chain(BlockHasher.Root(model.Fingerprint, request.CacheSalt), hashed, model.BlockSize);
        return Array.ConvertAll(chain, hash => (ulong)hash);
    }
}
