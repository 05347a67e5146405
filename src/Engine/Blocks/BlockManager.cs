using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Blocks;

/// <summary>What became of an attempt to give a waiting sequence its blocks.</summary>
internal enum Admission
{
    /// <summary>It holds blocks for all its tokens, the cached prefix included.</summary>
    Admitted,

    /// <summary>Its next block is being computed for another sequence: it pays to wait for it.</summary>
    SharesWork,

    /// <summary>Not enough free blocks.</summary>
    NoBlocks,
}

/// <summary>
/// Gives blocks to sequences and takes them back: prefix matching, sharing of prefixes that are still being computed, growth. Not thread-safe.
/// </summary>
/// <remarks>
/// <b>Shared work.</b> An admitted sequence announces the hashes of the blocks that it is going to compute. A waiting one whose next missing
/// block is announced stays in the queue until that block is in the cache, or until its computer gives up: nothing waits for a sequence
/// that holds no blocks, so no cycle can form within a device.
/// <para>
/// <b>Nor among devices.</b> A reservation waits for a prefill on another device, so a prefill for another device waits for nothing that a
/// reservation has: not for blocks that one announces (it computes them, too), nor for room that only the end of one can give
/// (<see cref="AwaitsReservations"/>: the <see cref="Scheduler"/> refuses it then). What is left to wait for is work of its own device:
/// sequences that compute here, whose ends are a number of steps away; prefills that are being fetched, by a receiver that waits for
/// nobody; and those before it in the queue which wait for the same. So every prefill ends by the work of one device, and with it the
/// wait of its reservation, however many devices compute for each other. Everything else may wait for reservations: none waits for it.
/// </para>
/// </remarks>
internal sealed class BlockManager
{
    private readonly Dictionary<UInt128, Sequence> _inWork = [];
    private readonly PrefixCache? _cache;
    private readonly int _blockSize;

    // For AwaitsReservations, which is asked several times in a step while a prompt finds no room: by block, how many reservations have it,
    // and how many blocks some have.
    private readonly int[] _reservations;
    private int _reservedBlocks;

    public BlockManager(int blockCount, int blockSize, bool prefixCache)
    {
        Pool = new BlockPool(blockCount);
        _reservations = new int[blockCount];
        _cache = prefixCache ? new PrefixCache(Pool) : null;
        _blockSize = blockSize;
    }

    public BlockPool Pool { get; }

    public PrefixCacheJournal? Journal => _cache?.Journal;

    /// <summary>Blocks for all tokens of a waiting sequence; sets <see cref="Sequence.Computed"/> to what the cache holds of it.</summary>
    /// <param name="sequence">Holds no blocks; has tokens to compute.</param>
    /// <param name="spare">Blocks to leave for sequences that run.</param>
    public Admission TryAdmit(Sequence sequence, int spare)
    {
        if (sequence.WaitsFor is { } awaited && IsComputedFor(sequence, awaited))
        {
            return Admission.SharesWork;
        }

        sequence.WaitsFor = null;
        ShareCachedPrefix(sequence);
        int matched = sequence.Table.Count;
        if (matched < MatchableBlocks(sequence) && IsComputedFor(sequence, sequence.Hashes[matched]))
        {
            sequence.WaitsFor = sequence.Hashes[matched];
            Free(sequence);
            return Admission.SharesWork;
        }

        int missing = BlocksFor(sequence.Count) - matched;
        if (Pool.FreeCount < missing + spare)
        {
            Free(sequence);
            return Admission.NoBlocks;
        }

        for (; missing > 0; missing--)
        {
            Grow(sequence);
        }

        sequence.Computed = matched * _blockSize;
        sequence.OfferedBlocks = sequence.SharedBlocks = matched;
        Announce(sequence);
        return Admission.Admitted;
    }

    /// <summary>
    /// True for a waiting sequence that would find no room even if every sequence had ended but the reserved ones, which other devices end.
    /// </summary>
    /// <param name="sequence">Holds no blocks.</param>
    public bool AwaitsReservations(Sequence sequence)
    {
        if (_reservedBlocks == 0)
        {
            return false;
        }

        // What they have of its prefix it shares with them.
        int shared = 0, matchable = MatchableBlocks(sequence);
        for (int i = 0; i < matchable && _cache!.TryFind(sequence.Hashes[i], out int block); i++)
        {
            shared += _reservations[block] > 0 ? 1 : 0;
        }

        return BlocksFor(sequence.Count) - shared > Pool.Count - _reservedBlocks;
    }

    /// <summary>Another device fills the blocks of a sequence from now on; it keeps exactly these until that ends.</summary>
    public void BeginReservation(Sequence sequence)
    {
        foreach (int block in sequence.Table.Blocks)
        {
            _reservedBlocks += _reservations[block]++ == 0 ? 1 : 0;
        }
    }

    /// <summary>No other device fills its blocks any longer. It holds them still.</summary>
    public void EndReservation(Sequence sequence)
    {
        foreach (int block in sequence.Table.Blocks)
        {
            _reservedBlocks -= --_reservations[block] == 0 ? 1 : 0;
        }
    }

    /// <summary>One more block if the last token has no slot yet.</summary>
    /// <returns>False when no block is free.</returns>
    public bool TryCoverLastToken(Sequence sequence)
    {
        if (sequence.Table.Count >= BlocksFor(sequence.Count))
        {
            return true;
        }

        if (Pool.FreeCount == 0)
        {
            return false;
        }

        Grow(sequence);
        return true;
    }

    /// <summary>
    /// Makes blocks that have become full findable. Call after <see cref="Sequence.Computed"/> has grown, and only when the logits of a row
    /// that has read all of them were valid: a key that is not a number would spoil whoever finds it.
    /// </summary>
    public void OfferFullBlocks(Sequence sequence)
    {
        int full = sequence.Computed / _blockSize;
        if (_cache is null || full <= sequence.OfferedBlocks)
        {
            return;
        }

        sequence.Hashes.Extend(sequence.Tokens);
        for (; sequence.OfferedBlocks < full; sequence.OfferedBlocks++)
        {
            UInt128 hash = sequence.Hashes[sequence.OfferedBlocks];
            _cache.Add(hash, sequence.Table.Blocks[sequence.OfferedBlocks]);
            Retract(sequence, hash);
        }
    }

    /// <summary>
    /// Makes unfindable what a sequence has read: one of its blocks may hold what is not a number. Others may hold them still.
    /// </summary>
    public void Distrust(Sequence sequence)
    {
        for (int block = 0; block < sequence.OfferedBlocks && _cache is not null; block++)
        {
            _cache.Remove(sequence.Table.Blocks[block]);
        }
    }

    /// <summary>
    /// New books: nothing can be found, nothing is being computed or reserved, and all blocks are free but those of <paramref
    /// name="holders"/>.
    /// </summary>
    public void Reset(IEnumerable<Sequence> holders)
    {
        _inWork.Clear();
        Array.Clear(_reservations);
        _reservedBlocks = 0;
        _cache?.Clear();
        Pool.Reset();
        foreach (Sequence holder in holders)
        {
            holder.OfferedBlocks = holder.AnnouncedBlocks = 0;
            foreach (int block in holder.Table.Blocks)
            {
                Pool.Share(block);
            }
        }
    }

    /// <summary>Takes back all blocks of a sequence; what is full stays findable until the memory is needed.</summary>
    public void Free(Sequence sequence)
    {
        for (int block = sequence.OfferedBlocks; block < sequence.AnnouncedBlocks; block++)
        {
            Retract(sequence, sequence.Hashes[block]);
        }

        Pool.Release(sequence.Table.Blocks);
        sequence.Forget();
    }

    /// <summary>
    /// Checks pool, index, announcements and reservations against the sequences that hold blocks, and those of them that others fill.
    /// </summary>
    /// <exception cref="InvalidOperationException">A block is lost, doubled or miscounted.</exception>
    public void CheckIntegrity(IReadOnlyCollection<Sequence> holders, IReadOnlyList<Sequence> reserved)
    {
        Pool.CheckIntegrity(holders.Select(holder => holder.Table));
        _cache?.CheckIntegrity();
        if (_inWork.Values.Any(owner => !holders.Contains(owner)))
        {
            throw new InvalidOperationException("a sequence without blocks is announced as computing one");
        }

        ILookup<int, Sequence> reservedBy = reserved
            .SelectMany(sequence => sequence.Table.Blocks.ToArray(), (Sequence, Block) => (Sequence, Block))
            .ToLookup(pair => pair.Block, pair => pair.Sequence);
        if (reservedBy.Count != _reservedBlocks || _reservations.Where((count, block) => count != reservedBy[block].Count()).Any())
        {
            throw new InvalidOperationException("reserved blocks are miscounted");
        }
    }

    // The last token is always computed: its logits choose the next one.
    private int MatchableBlocks(Sequence sequence) => _cache is null ? 0 : (sequence.Count - 1) / _blockSize;

    private int BlocksFor(int tokens) => (tokens + _blockSize - 1) / _blockSize;

    private void ShareCachedPrefix(Sequence sequence)
    {
        if (_cache is null)
        {
            return;
        }

        sequence.Hashes.Extend(sequence.Tokens);
        int matchable = MatchableBlocks(sequence);
        for (int i = 0; i < matchable && _cache.TryFind(sequence.Hashes[i], out int block); i++)
        {
            Pool.Share(block);
            sequence.Table.Add(block);
        }
    }

    private void Announce(Sequence sequence)
    {
        if (_cache is null)
        {
            return;
        }

        sequence.AnnouncedBlocks = sequence.Count / _blockSize;
        for (int block = sequence.OfferedBlocks; block < sequence.AnnouncedBlocks; block++)
        {
            // What is computed here is worth more to others than what is awaited from elsewhere.
            if (!_inWork.TryAdd(sequence.Hashes[block], sequence) && _inWork[sequence.Hashes[block]].IsFilledElsewhere)
            {
                _inWork[sequence.Hashes[block]] = sequence;
            }
        }
    }

    /// <summary>True when it pays for a waiting sequence to wait for a block: see the remarks.</summary>
    private bool IsComputedFor(Sequence sequence, UInt128 hash) =>
        _inWork.TryGetValue(hash, out Sequence? owner) && (sequence.Prefill is null || !owner.IsFilledElsewhere);

    private void Retract(Sequence sequence, UInt128 hash)
    {
        if (_inWork.TryGetValue(hash, out Sequence? owner) && owner == sequence)
        {
            _inWork.Remove(hash);
        }
    }

    private void Grow(Sequence sequence)
    {
        if (!Pool.TryAllocate(out int block))
        {
            throw new InvalidOperationException("the free blocks were counted wrongly");
        }

        sequence.Table.Add(block);
    }
}
