namespace ServingGrid.Engine.Blocks;

/// <summary>Finds full blocks by the chained hash of their tokens. A block leaves when the pool hands it out anew. Not thread-safe.</summary>
internal sealed class PrefixCache
{
    private readonly Dictionary<UInt128, int> _blockOf;
    private readonly UInt128[] _hashOf;
    private readonly BlockPool _pool;

    public PrefixCache(BlockPool pool)
    {
        _pool = pool;
        _blockOf = new Dictionary<UInt128, int>(pool.Count);
        _hashOf = new UInt128[pool.Count];
        Journal = new PrefixCacheJournal(Math.Max(4 * pool.Count, 1024));
        pool.Evicting = Evict;
    }

    /// <summary>The cache's content and changes, for other threads.</summary>
    public PrefixCacheJournal Journal { get; }

    public bool TryFind(UInt128 hash, out int block) => _blockOf.TryGetValue(hash, out block);

    /// <summary>Makes a held block findable, unless another block with the same content is already.</summary>
    public void Add(UInt128 hash, int block)
    {
        if (_blockOf.TryAdd(hash, block))
        {
            _hashOf[block] = hash;
            _pool.MarkCached(block);
            Journal.Record(hash, stored: true);
        }
    }

    /// <summary>Makes a held block's content unfindable.</summary>
    public void Remove(int block)
    {
        if (_pool.IsCached(block))
        {
            Evict(block);
            _pool.UnmarkCached(block);
        }
    }

    /// <summary>Forgets everything, whatever state the pool is in.</summary>
    public void Clear()
    {
        _blockOf.Clear();
        Journal.Clear();
    }

    /// <exception cref="InvalidOperationException">The index and the pool disagree.</exception>
    public void CheckIntegrity()
    {
        if (_blockOf.Count != _pool.CachedCount || _blockOf.Any(entry => _hashOf[entry.Value] != entry.Key || !_pool.IsCached(entry.Value)))
        {
            throw new InvalidOperationException("the prefix cache's index and the pool disagree");
        }
    }

    private void Evict(int block)
    {
        _blockOf.Remove(_hashOf[block]);
        Journal.Record(_hashOf[block], stored: false);
    }
}
