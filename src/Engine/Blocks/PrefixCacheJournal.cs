namespace ServingGrid.Engine.Blocks;

/// <summary>
/// What the prefix cache holds and its recent changes, for readers on other threads (routers' indexes): growing ids, and a snapshot for a reader
/// that is too far behind. One writer, any readers.
/// </summary>
internal sealed class PrefixCacheJournal(int capacity)
{
    private readonly Lock _gate = new();
    private readonly HashSet<UInt128> _content = [];
    private readonly (UInt128 Hash, bool Stored)[] _recent = new (UInt128, bool)[capacity];
    private long _lastId;

    public void Record(UInt128 hash, bool stored)
    {
        lock (_gate)
        {
            bool changed = stored ? _content.Add(hash) : _content.Remove(hash);
            if (changed)
            {
                _recent[_lastId++ % _recent.Length] = (hash, stored);
            }
        }
    }

    /// <summary>Nothing can be found any longer: readers are told of each hash, and ids go on.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            foreach (UInt128 hash in _content)
            {
                _recent[_lastId++ % _recent.Length] = (hash, false);
            }

            _content.Clear();
        }
    }

    public PrefixCacheEvents Read(long after)
    {
        lock (_gate)
        {
            if (after < 0 || after > _lastId || _lastId - after > _recent.Length)
            {
                return new PrefixCacheEvents(_lastId, IsSnapshot: true, [.. _content], []);
            }

            Dictionary<UInt128, bool> last = [];
            for (long id = after; id < _lastId; id++)
            {
                (UInt128 hash, bool stored) = _recent[id % _recent.Length];
                last[hash] = stored;
            }

            return new PrefixCacheEvents(_lastId, IsSnapshot: false, [.. last.Where(e => e.Value).Select(e => e.Key)], [.. last.Where(e => !e.Value).Select(e => e.Key)]);
        }
    }
}
