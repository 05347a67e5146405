using ServingGrid.Engine.Scheduling;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Disaggregation;

/// <summary>
/// A prompt that is computed for another device. Its blocks stay pinned until <see cref="Release"/>, or until the deadline passes; the engine
/// frees them only when no <see cref="TryGather"/> is in progress, so a slow reader fails instead of reading another sequence's KV. Thread-safe.
/// </summary>
public sealed class PrefillHandle
{
    private readonly Lock _gate = new();
    private readonly IPrefillOwner _owner;
    private int[] _blocks = [];
    private int _readable;
    private int _readers;
    private bool _closed;
    private Action? _whenQuiet;

    internal PrefillHandle(string id, KvLayout layout, IPrefillOwner owner)
    {
        Id = id;
        Layout = layout;
        _owner = owner;
    }

    /// <summary><see cref="SequenceRequest.Id"/></summary>
    public string Id { get; }

    public KvLayout Layout { get; }

    internal Sequence? Sequence { get; set; }

    /// <summary>Copies announced blocks to the host: <c>[layer][block]</c> of <see cref="KvLayout.BlockBytes"/> each.</summary>
    /// <param name="firstBlock">Index in the sequence's block table.</param>
    /// <param name="count">Number of blocks.</param>
    /// <param name="firstLayer">First layer.</param>
    /// <param name="layers">Number of layers.</param>
    /// <param name="destination"><c>layers · count · BlockBytes</c> bytes.</param>
    /// <returns>False when the blocks are no longer pinned; <paramref name="destination"/> is then unchanged.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Blocks that were not announced.</exception>
    public bool TryGather(int firstBlock, int count, int firstLayer, int layers, Span<byte> destination)
    {
        int[] blocks;
        lock (_gate)
        {
            if (_closed)
            {
                return false;
            }

            ArgumentOutOfRangeException.ThrowIfNegative(firstBlock);
            ArgumentOutOfRangeException.ThrowIfNegative(count);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(firstBlock, _readable - count);
            blocks = _blocks;
            _readers++;
        }

        try
        {
            return _owner.TryGather(blocks.AsSpan(firstBlock, count), firstLayer, layers, destination);
        }
        finally
        {
            EndRead();
        }
    }

    /// <summary>Stops the prefill if it runs, and unpins its blocks. Without effect the second time.</summary>
    public void Release() => _owner.Released(this);

    /// <summary>The sequence's block table, of which the first <paramref name="readable"/> blocks may be read from now on. Engine's thread.</summary>
    internal void Publish(ReadOnlySpan<int> table, int readable)
    {
        lock (_gate)
        {
            if (!table.SequenceEqual(_blocks))
            {
                _blocks = table.ToArray();
            }

            _readable = readable;
        }
    }

    /// <summary>Refuses reads from now on, and runs <paramref name="then"/> once none is in progress.</summary>
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
            if (_readers > 0)
            {
                _whenQuiet = then;
                return true;
            }
        }

        then();
        return true;
    }

    private void EndRead()
    {
        Action? then = null;
        lock (_gate)
        {
            if (--_readers == 0)
            {
                (then, _whenQuiet) = (_whenQuiet, null);
            }
        }

        then?.Invoke();
    }
}
