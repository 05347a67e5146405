namespace ServingGrid.Engine.Blocks;

/// <summary>What changed in a prefix cache since an event that the reader has seen. No hash is in both lists. Immutable.</summary>
/// <param name="LastId">Id of the last event included: pass it to the next read.</param>
/// <param name="IsSnapshot">The reader was too far behind: <paramref name="Stored"/> is all that the cache holds, forget the rest.</param>
/// <param name="Stored">Chained hashes of blocks (<see cref="Model.BlockHasher"/>) that can be found now.</param>
/// <param name="Removed">Hashes of blocks that cannot be found any longer.</param>
public sealed record PrefixCacheEvents(long LastId, bool IsSnapshot, IReadOnlyList<UInt128> Stored, IReadOnlyList<UInt128> Removed);
