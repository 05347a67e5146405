using System.Collections;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Disaggregation;

/// <summary>What became of a write into a reservation.</summary>
public enum WriteOutcome
{
    Written,

    /// <summary>From an earlier epoch: another prefill has taken over.</summary>
    StaleEpoch,

    /// <summary>The reservation was committed, started locally, released, or has expired.</summary>
    Closed,

    /// <summary>One of the blocks was written in this epoch already; nothing was changed.</summary>
    Duplicate,

    /// <summary>Blocks, layers or the number of bytes are not those of the reservation.</summary>
    Invalid,
}

/// <summary>What became of a commit.</summary>
public enum CommitOutcome
{
    /// <summary>The sequence decodes.</summary>
    Committed,

    /// <summary>From an earlier epoch.</summary>
    StaleEpoch,

    /// <summary>Committed before, started locally, released, or expired.</summary>
    Closed,

    /// <summary>Not every block of every layer has been written.</summary>
    Incomplete,
}

/// <summary>
/// The decode side's half of a handover: blocks that this engine holds for a prompt that another device computes. Ends in exactly one of
/// <see cref="Commit"/>, <see cref="StartLocal"/> and <see cref="Release"/>, or expires at its deadline. The engine alone frees the blocks,
/// and not before the last write in progress has returned. Thread-safe.
/// </summary>
/// <remarks>
/// Protocol: reserve → tell the prefill device <see cref="Id"/>, <see cref="Epoch"/> and <see cref="CachedTokens"/> → <see cref="Write"/> for each
/// piece that arrives → <see cref="Commit"/> with the token that it sampled. If it dies: <see cref="Renew"/> and try another, or
/// <see cref="StartLocal"/>.
/// </remarks>
public sealed class Reservation
{
    private readonly Lock _gate = new();
    private readonly IReservationOwner _owner;
    private readonly int[] _blocks;
    private readonly BitArray _claimed;
    private int _unwritten;
    private int _writers;
    private int _epoch = 1;
    private long _deadline;
    private bool _closed;
    private Action? _whenQuiet;

    internal Reservation(long id, SequenceHandle handle, KvLayout layout, int[] blocks, int firstBlock, TimeSpan lifetime, IReservationOwner owner)
    {
        Id = id;
        Handle = handle;
        Layout = layout;
        FirstBlock = firstBlock;
        _blocks = blocks;
        _owner = owner;
        _claimed = new BitArray(blocks.Length * layout.Layers);
        _unwritten = _claimed.Length;
        _deadline = owner.DeadlineAfter(lifetime);
    }

    /// <summary>Unique in the life of this process.</summary>
    public long Id { get; }

    /// <summary>The stream of the reserved sequence: silent until the commit or the local start.</summary>
    public SequenceHandle Handle { get; }

    public KvLayout Layout { get; }

    /// <summary>Index, in the sequence's block table, of the first block that is missing; those before it were found in the prefix cache.</summary>
    public int FirstBlock { get; }

    /// <summary>Blocks to be written, the last of which may be partly filled.</summary>
    public int BlockCount => _blocks.Length;

    /// <summary>Tokens whose KV this device holds already: the prefill device need not send them.</summary>
    public int CachedTokens => FirstBlock * Layout.BlockSize;

    /// <summary>Which attempt at the prefill may write, from 1.</summary>
    public int Epoch
    {
        get
        {
            lock (_gate)
            {
                return _epoch;
            }
        }
    }

    internal Sequence? Sequence { get; init; }

    /// <summary>Timestamp (of the engine's clock) at which the engine takes the blocks back.</summary>
    internal long Deadline
    {
        get
        {
            lock (_gate)
            {
                return _deadline;
            }
        }
    }

    /// <summary>
    /// Starts another attempt: writes of the earlier epoch are refused from now on, nothing counts as written, the deadline starts anew.
    /// </summary>
    /// <returns>The new epoch, or null when the reservation has ended or a write of the old epoch is in progress (a copy of memory: ask again).</returns>
    public int? Renew(TimeSpan lifetime)
    {
        lock (_gate)
        {
            if (_closed || _writers > 0)
            {
                return null;
            }

            _claimed.SetAll(false);
            _unwritten = _claimed.Length;
            _deadline = _owner.DeadlineAfter(lifetime);
            return ++_epoch;
        }
    }

    /// <summary>Writes KV as <see cref="KvLayout"/> lays it out: <c>[layer][block]</c> of <see cref="KvLayout.BlockBytes"/> each.</summary>
    /// <param name="epoch">The attempt that the data belongs to.</param>
    /// <param name="firstBlock">Index in the sequence's block table, at least <see cref="FirstBlock"/>.</param>
    /// <param name="firstLayer">First layer of the data.</param>
    /// <param name="layers">Number of layers; the number of blocks follows from the length.</param>
    /// <param name="data">Whole blocks.</param>
    public WriteOutcome Write(int epoch, int firstBlock, int firstLayer, int layers, ReadOnlySpan<byte> data)
    {
        if (layers < 1 || firstLayer < 0 || firstLayer > Layout.Layers - layers || data.IsEmpty || data.Length % ((long)layers * Layout.BlockBytes) != 0)
        {
            return WriteOutcome.Invalid;
        }

        long count = data.Length / ((long)layers * Layout.BlockBytes);
        long first = (long)firstBlock - FirstBlock;
        if (first < 0 || first > BlockCount - count)
        {
            return WriteOutcome.Invalid;
        }

        lock (_gate)
        {
            if (_closed)
            {
                return WriteOutcome.Closed;
            }

            if (epoch != _epoch)
            {
                return WriteOutcome.StaleEpoch;
            }

            if (!TryClaim((int)first, (int)count, firstLayer, layers))
            {
                return WriteOutcome.Duplicate;
            }

            _writers++;
        }

        bool written = false;
        try
        {
            written = _owner.TryScatter(_blocks.AsSpan((int)first, (int)count), firstLayer, layers, data);
        }
        finally
        {
            EndWrite(written ? (int)count * layers : 0);
        }

        return written ? WriteOutcome.Written : WriteOutcome.Closed;
    }

    /// <summary>Hands the filled blocks to the running batch; <paramref name="first"/> becomes the first token of the stream.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such token.</exception>
    public CommitOutcome Commit(int epoch, ChosenToken first)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first.Token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(first.Token, _owner.VocabularySize);
        lock (_gate)
        {
            if (_closed)
            {
                return CommitOutcome.Closed;
            }

            if (epoch != _epoch)
            {
                return CommitOutcome.StaleEpoch;
            }

            if (_unwritten > 0)
            {
                return CommitOutcome.Incomplete;
            }

            _closed = true;
            _deadline = long.MaxValue;
        }

        _owner.Committed(this, first);
        return CommitOutcome.Committed;
    }

    /// <summary>Computes the prompt on this device after all, from the cached prefix on.</summary>
    /// <returns>False when the reservation has ended.</returns>
    public bool StartLocal() => Close(() => _owner.StartedLocally(this));

    /// <summary>Gives the blocks back; the stream ends in <see cref="EngineFailure.Released"/>. Without effect when it has ended.</summary>
    public void Release() => Close(() => _owner.Released(this));

    /// <summary>Refuses everything from now on, and runs <paramref name="then"/> once no write is in progress.</summary>
    /// <returns>False when it was closed before; <paramref name="then"/> does not run.</returns>
    internal bool Close(Action then)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return false;
            }

            _closed = true;
            _deadline = long.MaxValue;
            if (_writers > 0)
            {
                _whenQuiet = then;
                return true;
            }
        }

        then();
        return true;
    }

    private bool TryClaim(int first, int count, int firstLayer, int layers)
    {
        for (int layer = firstLayer; layer < firstLayer + layers; layer++)
        {
            for (int block = first; block < first + count; block++)
            {
                if (_claimed[(layer * BlockCount) + block])
                {
                    return false;
                }
            }
        }

        for (int layer = firstLayer; layer < firstLayer + layers; layer++)
        {
            for (int block = first; block < first + count; block++)
            {
                _claimed[(layer * BlockCount) + block] = true;
            }
        }

        return true;
    }

    private void EndWrite(int written)
    {
        Action? then = null;
        lock (_gate)
        {
            _unwritten -= written;
            if (--_writers == 0)
            {
                (then, _whenQuiet) = (_whenQuiet, null);
            }
        }

        then?.Invoke();
    }
}
