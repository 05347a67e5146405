using ServingGrid.Model;

namespace ServingGrid.Client.Requests;

/// <summary>The names of the KV blocks that an attempt's prompt consists of, as the router compares them.</summary>
internal static class PromptHashes
{
    /// <summary>Blocks beyond these do not matter for the choice of a device: 8 KB in the first call.</summary>
    public const int MaxBlocks = 1024;

    /// <summary>Most classes of arithmetic that blocks are named in: a grid has one, rarely two.</summary>
    public const int MaxClasses = 4;

    /// <summary>
    /// For each class that the attempt may run in (<see cref="ModelCard.Numerics"/>), low 8 bytes of the chained hash of each full block.
    /// </summary>
    public static ulong[][] Compute(GenerateAttempt attempt, ModelCard model)
    {
        IEnumerable<string> classes = attempt.Numerics is { } only ? [only] : (model.Numerics ?? []).Take(MaxClasses);
        return [.. classes.Select(numerics => Compute(attempt, model, numerics))];
    }

    /// <summary>The same as devices of one class name them.</summary>
    public static ulong[] Compute(GenerateAttempt attempt, ModelCard model, string numerics)
    {
        GenerateRequest request = attempt.Request;
        int[] tokens = attempt.Generated.Length == 0 ? request.Prompt : [.. request.Prompt, .. attempt.Generated];
        ReadOnlySpan<int> hashed = tokens.AsSpan(0, Math.Min(tokens.Length, MaxBlocks * model.BlockSize));
        UInt128[] chain = BlockHasher.Chain(BlockHasher.Root(model.Fingerprint, numerics, request.CacheSalt), hashed, model.BlockSize);
        return Array.ConvertAll(chain, hash => (ulong)hash);
    }
}
