using System.Numerics;

namespace ServingGrid.Model.Tokenization.Merging;

/// <summary>
/// Which neighbours merge into what, and how soon. A hash table with open addressing, since it is asked more than once for
/// every byte of every text; its hash is seeded per process, so that no vocabulary can be built to make it slow. Immutable once built.
/// </summary>
internal sealed class PairTable
{
    /// <summary>Priority of a pair that does not merge.</summary>
    public const uint Never = uint.MaxValue;

    private static readonly ulong Seed = (ulong)Random.Shared.NextInt64() | 1;

    private Entry[] _entries = new Entry[1024];
    private int _count;

    private record struct Entry(ulong Key, uint Priority, int Merged);

    /// <summary>Adds a pair of symbols (≥ 0) unless it is there.</summary>
    /// <param name="left">Left symbol.</param>
    /// <param name="right">Right symbol.</param>
    /// <param name="priority">Smaller merges sooner; below <see cref="Never"/>.</param>
    /// <param name="merged">What the two become.</param>
    public void TryAdd(int left, int right, uint priority, int merged)
    {
        ref Entry entry = ref Slot(_entries, Key(left, right));
        if (entry.Key != 0)
        {
            return;
        }

        entry = new Entry(Key(left, right), priority, merged);
        if (++_count > _entries.Length / 2)
        {
            Grow();
        }
    }

    /// <summary>Priority of a pair, or <see cref="Never"/>.</summary>
    public uint Find(int left, int right, out int merged)
    {
        ref readonly Entry entry = ref Slot(_entries, Key(left, right));
        merged = entry.Merged;
        return entry.Key == 0 ? Never : entry.Priority;
    }

    /// <summary>True if the pair is there.</summary>
    public bool Contains(int left, int right) => Slot(_entries, Key(left, right)).Key != 0;

    // Never 0, which marks an empty slot.
    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | ((uint)right + 1);

    private static ref Entry Slot(Entry[] entries, ulong key)
    {
        ulong hash = (key ^ Seed) * 0x9E3779B97F4A7C15;
        hash = (hash ^ (hash >> 32)) * Seed;
        int at = (int)(hash >> (64 - BitOperations.Log2((uint)entries.Length)));
        while (entries[at].Key != 0 && entries[at].Key != key)
        {
            at = (at + 1) & (entries.Length - 1);
        }

        return ref entries[at];
    }

    private void Grow()
    {
        var grown = new Entry[_entries.Length * 2];
        foreach (Entry entry in _entries)
        {
            if (entry.Key != 0)
            {
                Slot(grown, entry.Key) = entry;
            }
        }

        _entries = grown;
    }
}
