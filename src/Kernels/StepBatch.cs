namespace ServingGrid.Kernels;

/// <summary>
/// The rows of one sequence in a step: consecutive positions that start at <paramref name="FirstPosition"/>, stored in the
/// batch's rows from <paramref name="FirstRow"/> on. Its block table is <c>Blocks[FirstBlock .. FirstBlock + BlockCount]</c>
/// and covers every position up to and including its last row.
/// </summary>
public readonly record struct SequenceRows(int FirstRow, int RowCount, int FirstPosition, int FirstBlock, int BlockCount);

/// <summary>
/// One step's work, on the host: ragged rows of many sequences, one row for each token whose KV is computed in this step.
/// A decoding sequence has one row, a prompt chunk has many. Reused from step to step without allocating.
/// </summary>
/// <remarks>
/// Filled by one thread: <see cref="Clear"/>, then for each sequence <see cref="AddSequence"/>. A block may occur in several
/// block tables (a shared prefix), but no two rows of a step write the same slot. Not thread-safe.
/// </remarks>
public sealed class StepBatch
{
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _rowSequence;
    private readonly int[] _sampledRows;
    private readonly SequenceRows[] _sequences;
    private int[] _blocks;
    private int _blockCount;

    /// <param name="maxRows">Token budget of a step.</param>
    /// <param name="maxSequences">Most sequences in a step.</param>
    public StepBatch(int maxRows, int maxSequences)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxSequences);
        _tokens = new int[maxRows];
        _positions = new int[maxRows];
        _rowSequence = new int[maxRows];
        _sampledRows = new int[maxRows];
        _sequences = new SequenceRows[maxSequences];
        _blocks = new int[1024];
    }

    public int MaxRows => _tokens.Length;

    public int MaxSequences => _sequences.Length;

    /// <summary>Rows in use.</summary>
    public int RowCount { get; private set; }

    public int SequenceCount { get; private set; }

    public int SampledRowCount { get; private set; }

    /// <summary>Token id of each row.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, RowCount);

    /// <summary>Position of each row in its sequence, from 0.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, RowCount);

    /// <summary>Index into <see cref="Sequences"/> of each row.</summary>
    public ReadOnlySpan<int> RowSequence => _rowSequence.AsSpan(0, RowCount);

    public ReadOnlySpan<SequenceRows> Sequences => _sequences.AsSpan(0, SequenceCount);

    /// <summary>Block tables of all sequences, one after the other: ids of blocks of the <see cref="KvCache"/>.</summary>
    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, _blockCount);

    /// <summary>Slots in each of <see cref="Blocks"/>; 0 while there is none.</summary>
    public int BlockSize { get; private set; }

    /// <summary>The highest of <see cref="Blocks"/>, by which a device checks them all; a negative id, which is never right, is above all others.</summary>
    internal uint HighestBlock { get; private set; }

    /// <summary>Rows whose logits are wanted, ascending: row i of the logits tensor belongs to row <c>SampledRows[i]</c>.</summary>
    public ReadOnlySpan<int> SampledRows => _sampledRows.AsSpan(0, SampledRowCount);

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        RowCount = SequenceCount = SampledRowCount = _blockCount = BlockSize = 0;
        HighestBlock = 0;
    }

    /// <summary>Adds the next tokens of a sequence.</summary>
    /// <param name="tokens">Tokens to compute, at least one.</param>
    /// <param name="firstPosition">Position of the first of them; everything before it is in the KV cache already.</param>
    /// <param name="blockTable">Blocks of the sequence, enough for its last position here; excess is ignored.</param>
    /// <param name="blockSize">Slots in a block, the same for all sequences of a step.</param>
    /// <param name="sampleRows">How many of the last rows want logits: 0 for an inner chunk of a prompt, 1 to sample, more to score.</param>
    public void AddSequence(ReadOnlySpan<int> tokens, int firstPosition, ReadOnlySpan<int> blockTable, int blockSize, int sampleRows)
    {
        if (tokens.IsEmpty || RowCount + tokens.Length > MaxRows || SequenceCount == MaxSequences)
        {
            throw new ArgumentException($"{tokens.Length} rows do not fit: {RowCount} of {MaxRows} rows and {SequenceCount} of {MaxSequences} sequences are in use", nameof(tokens));
        }

        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockSize);
        if (SequenceCount > 0 && blockSize != BlockSize)
        {
            throw new ArgumentException($"the step's blocks have {BlockSize} slots, not {blockSize}", nameof(blockSize));
        }

        ArgumentOutOfRangeException.ThrowIfNegative(firstPosition);
        ArgumentOutOfRangeException.ThrowIfNegative(sampleRows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sampleRows, tokens.Length);
        int blocks = (firstPosition + tokens.Length + blockSize - 1) / blockSize;
        if (blockTable.Length < blocks)
        {
            throw new ArgumentException($"{blockTable.Length} blocks do not cover {firstPosition + tokens.Length} positions", nameof(blockTable));
        }

        if (_blockCount + blocks > _blocks.Length)
        {
            Array.Resize(ref _blocks, Math.Max(_blocks.Length * 2, _blockCount + blocks));
        }

        foreach (int block in blockTable[..blocks])
        {
            HighestBlock = Math.Max(HighestBlock, (uint)block);
        }

        BlockSize = blockSize;
        blockTable[..blocks].CopyTo(_blocks.AsSpan(_blockCount));
        tokens.CopyTo(_tokens.AsSpan(RowCount));
        for (int i = 0; i < tokens.Length; i++)
        {
            _positions[RowCount + i] = firstPosition + i;
            _rowSequence[RowCount + i] = SequenceCount;
        }

        for (int i = tokens.Length - sampleRows; i < tokens.Length; i++)
        {
            _sampledRows[SampledRowCount++] = RowCount + i;
        }

        _sequences[SequenceCount++] = new SequenceRows(RowCount, tokens.Length, firstPosition, _blockCount, blocks);
        RowCount += tokens.Length;
        _blockCount += blocks;
    }
}
