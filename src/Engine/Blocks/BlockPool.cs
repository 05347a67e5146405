namespace ServingGrid.Engine.Blocks;

/// <summary>
/// Who holds which block of a KV cache. A block that nobody holds stands in the free list, least recently used first, and keeps its content until
/// it is handed out again: that is the prefix cache's memory. Every operation is O(1) per block. Not thread-safe.
/// </summary>
internal sealed class BlockPool
{
    private readonly int[] _references;
    private readonly bool[] _cached;
    private readonly int[] _next;
    private readonly int[] _previous;
    private readonly int _sentinel;

    public BlockPool(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        _references = new int[count];
        _cached = new bool[count];
        _next = new int[count + 1];
        _previous = new int[count + 1];
        _sentinel = count;
        Reset();
    }

    public int Count => _references.Length;

    /// <summary>Blocks that nobody holds.</summary>
    public int FreeCount { get; private set; }

    /// <summary>Blocks, held or free, that the prefix cache can find.</summary>
    public int CachedCount { get; private set; }

    /// <summary>Blocks that were handed out at least once. A fresh one is the lowest of those that are left: they are 0 … this − 1.</summary>
    public int HandedOutCount { get; private set; }

    /// <summary>Told of a block that is about to lose its content.</summary>
    public Action<int>? Evicting { get; set; }

    /// <summary>Hands out the free block that was used least recently.</summary>
    public bool TryAllocate(out int block)
    {
        block = _next[_sentinel];
        if (block == _sentinel)
        {
            return false;
        }

        Unlink(block);
        HandedOutCount = Math.Max(HandedOutCount, block + 1);
        if (_cached[block])
        {
            Evicting?.Invoke(block);
            _cached[block] = false;
            CachedCount--;
        }

        _references[block] = 1;
        return true;
    }

    /// <summary>One more holder of a block whose content is known.</summary>
    public void Share(int block)
    {
        if (_references[block]++ == 0)
        {
            Unlink(block);
        }
    }

    /// <summary>One holder less of each block of a table. Tails are freed first, so that they are evicted before the prefixes that they need.</summary>
    public void Release(ReadOnlySpan<int> table)
    {
        for (int i = table.Length - 1; i >= 0; i--)
        {
            Release(table[i]);
        }
    }

    /// <summary>The content of a held block can be found from now on.</summary>
    public void MarkCached(int block)
    {
        if (_references[block] == 0 || _cached[block])
        {
            throw new InvalidOperationException($"block {block} is not held, or is cached already");
        }

        _cached[block] = true;
        CachedCount++;
    }

    /// <summary>The content of a held block cannot be found any longer.</summary>
    public void UnmarkCached(int block)
    {
        if (_references[block] == 0 || !_cached[block])
        {
            throw new InvalidOperationException($"block {block} is not held, or is not cached");
        }

        _cached[block] = false;
        CachedCount--;
    }

    public bool IsCached(int block) => _cached[block];

    /// <summary>All blocks are free, and none is cached: whoever held one has to have given it up.</summary>
    public void Reset()
    {
        Array.Clear(_references);
        Array.Clear(_cached);
        FreeCount = CachedCount = 0;
        _next[_sentinel] = _previous[_sentinel] = _sentinel;
        for (int block = 0; block < Count; block++)
        {
            InsertBefore(_sentinel, block);
        }
    }

    /// <summary>Checks that every block is either held by exactly the given tables or free, once.</summary>
    /// <exception cref="InvalidOperationException">A block is lost, doubled or miscounted.</exception>
    public void CheckIntegrity(IEnumerable<BlockTable> tables)
    {
        int[] holders = new int[Count];
        foreach (BlockTable table in tables)
        {
            foreach (int block in table.Blocks)
            {
                holders[block]++;
            }
        }

        int free = 0;
        for (int block = _next[_sentinel]; block != _sentinel; block = _next[block], free++)
        {
            Require(free < Count && _previous[_next[block]] == block && _references[block] == 0, $"the free list is broken at block {block}");
        }

        Require(free == FreeCount, $"the free list has {free} blocks, not {FreeCount}");
        for (int block = 0; block < Count; block++)
        {
            Require(_references[block] == holders[block], $"block {block} counts {_references[block]} holders and has {holders[block]}");
        }

        Require(_references.Count(count => count == 0) == FreeCount, "a block without holders is not in the free list");
        Require(_cached.Count(cached => cached) == CachedCount, "cached blocks are miscounted");
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
        {
            throw new InvalidOperationException(message);
        }
    }

    private void Release(int block)
    {
        if (_references[block] == 0)
        {
            throw new InvalidOperationException($"block {block} was freed twice");
        }

        if (--_references[block] == 0)
        {
            // A block that nobody can find is of no further use: it goes first.
            InsertBefore(_cached[block] ? _sentinel : _next[_sentinel], block);
        }
    }

    private void InsertBefore(int successor, int block)
    {
        int predecessor = _previous[successor];
        _next[predecessor] = block;
        _previous[block] = predecessor;
        _next[block] = successor;
        _previous[successor] = block;
        FreeCount++;
    }

    private void Unlink(int block)
    {
        _next[_previous[block]] = _next[block];
        _previous[_next[block]] = _previous[block];
        FreeCount--;
    }
}
