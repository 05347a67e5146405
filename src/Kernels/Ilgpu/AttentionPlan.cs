using ILGPU;
using ServingGrid.Kernels.Ilgpu.Programs;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// How a step's attention is cut into groups: a decoding row's context into pieces that run side by side, a prompt chunk into
/// tiles of rows that share the keys and values they load. The cut changes speed, never results (see <see cref="AttentionKernels"/>).
/// </summary>
/// <param name="runtime">The device.</param>
/// <param name="tuning">Launch shapes.</param>
/// <param name="maxPartialFloats">Room for partial results of split rows: the longest are split, as many as fit.</param>
internal sealed class AttentionPlan(IlgpuRuntime runtime, KernelTuning tuning, long maxPartialFloats = 64L << 20) : IDisposable
{
    private static readonly Comparison<SequenceRows> LongestFirst = (a, b) => b.FirstPosition.CompareTo(a.FirstPosition);

    private readonly StagedInts _staged = new(runtime);
    private readonly List<int> _single = [];
    private readonly List<int> _tiles = [];
    private readonly List<int> _split = [];
    private readonly List<SequenceRows> _decoding = [];
    private DeviceBuffer<float>? _partials;
    private AttentionShape _shape;
    private bool _valid;

    public ArrayView<int> Items { get; private set; }

    public ArrayView<int> PartialRows { get; private set; }

    public ArrayView<float> Partials => _partials!.View;

    /// <summary>Items of one row each, which come first.</summary>
    public int SingleItems => _single.Count / AttentionArguments.ItemInts;

    /// <summary>Items of several rows.</summary>
    public int TileItems => _tiles.Count / AttentionArguments.ItemInts;

    public int SplitRows => _split.Count;

    /// <summary>Pieces of the longest split row.</summary>
    public int MaxPieces { get; private set; }

    public int SingleWarps { get; private set; }

    public int TileWarps { get; private set; }

    /// <summary>Forgets the cut: a new step has begun.</summary>
    public void Invalidate() => _valid = false;

    /// <inheritdoc cref="StagedInts.Settled"/>
    public void Settled() => _staged.Settled();

    /// <summary>Cuts the batch for heads of this shape, once for all layers of a step.</summary>
    public void Prepare(StepBatch batch, AttentionShape shape)
    {
        if (_valid && _shape == shape)
        {
            return;
        }

        int sharing = shape.Heads / shape.KvHeads;
        int rowsPerTile = Math.Max(1, 4 * tuning.AttentionWarps / sharing);
        SingleWarps = (sharing + 3) / 4;
        TileWarps = (rowsPerTile * sharing + 3) / 4;
        _single.Clear();
        _tiles.Clear();
        _split.Clear();
        _decoding.Clear();
        foreach (SequenceRows sequence in batch.Sequences)
        {
            if (sequence.RowCount == 1)
            {
                _decoding.Add(sequence);
            }
            else
            {
                AddTiles(sequence, rowsPerTile);
            }
        }

        // The step lasts as long as its longest row: it is the one that has to be cut.
        _decoding.Sort(LongestFirst);
        MaxPieces = _decoding.Count > 0 ? Pieces(_decoding[0].FirstPosition) : 1;
        long partialFloats = (long)shape.Heads * MaxPieces * (shape.HeadSize + 2);
        foreach (SequenceRows sequence in _decoding)
        {
            AddSingle(sequence, (_split.Count + 1) * partialFloats <= maxPartialFloats);
        }

        int partialRows = Math.Max(1, _split.Count);
        int count = _single.Count + _tiles.Count + partialRows;
        Span<int> ints = _staged.Reserve(count);
        _single.CopyTo(ints);
        _tiles.CopyTo(ints[_single.Count..]);
        _split.CopyTo(ints[(_single.Count + _tiles.Count)..]);
        ArrayView<int> device = _staged.Upload(count);
        Items = device.SubView(0, _single.Count + _tiles.Count);
        PartialRows = device.SubView(_single.Count + _tiles.Count, partialRows);
        Grow(partialRows * partialFloats);
        _shape = shape;
        _valid = true;
    }

    public void Dispose()
    {
        _staged.Dispose();
        _partials?.Dispose();
    }

    private static int Pieces(int position) => position / AttentionKernels.Piece + 1;

    private void AddSingle(SequenceRows sequence, bool splitAllowed)
    {
        int pieces = Pieces(sequence.FirstPosition);
        if (pieces == 1 || !splitAllowed)
        {
            _single.AddRange([sequence.FirstRow, 1, 0, pieces, -1]);
            return;
        }

        for (int piece = 0; piece < pieces; piece++)
        {
            _single.AddRange([sequence.FirstRow, 1, piece, 1, _split.Count]);
        }

        _split.Add(sequence.FirstRow);
    }

    private void AddTiles(SequenceRows sequence, int rowsPerTile)
    {
        for (int row = 0; row < sequence.RowCount; row += rowsPerTile)
        {
            int rows = Math.Min(rowsPerTile, sequence.RowCount - row);
            _tiles.AddRange([sequence.FirstRow + row, rows, 0, Pieces(sequence.FirstPosition + row + rows - 1), -1]);
        }
    }

    private void Grow(long floats)
    {
        if (_partials is null || _partials.Length < floats)
        {
            runtime.Wait(runtime.Compute);
            _partials?.Dispose();
            _partials = runtime.Allocate<float>(floats);
        }
    }
}
