using ServingGrid.Model;

namespace ServingGrid.Engine.Blocks;

/// <summary>The hashes of a sequence's full blocks, computed as far as they are asked for. Not thread-safe.</summary>
internal sealed class BlockHashChain(UInt128 root, int blockSize)
{
    private UInt128[] _hashes = [];

    public int Count { get; private set; }

    public UInt128 this[int block] => block < Count ? _hashes[block] : throw new ArgumentOutOfRangeException(nameof(block));

    /// <summary>Adds the hashes of blocks that have become full.</summary>
    public void Extend(ReadOnlySpan<int> tokens)
    {
        int full = tokens.Length / blockSize;
        if (full > _hashes.Length)
        {
            Array.Resize(ref _hashes, Math.Max(full, Math.Max(4, Count * 2)));
        }

        for (; Count < full; Count++)
        {
            UInt128 parent = Count == 0 ? root : _hashes[Count - 1];
            _hashes[Count] = BlockHasher.Next(parent, tokens.Slice(Count * blockSize, blockSize));
        }
    }
}
