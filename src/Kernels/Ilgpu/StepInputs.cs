using ILGPU;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>The batch of the running step, on the device.</summary>
internal sealed class StepInputs(IlgpuRuntime runtime) : IDisposable
{
    private readonly StagedInts _staged = new(runtime);

    public StepBatch? Batch { get; private set; }

    /// <summary>[rows]</summary>
    public ArrayView<int> Tokens { get; private set; }

    /// <summary>[rows]</summary>
    public ArrayView<int> Positions { get; private set; }

    /// <summary>[rows]: where the block table of each row's sequence begins in <see cref="BlockTables"/>.</summary>
    public ArrayView<int> RowBlocks { get; private set; }

    /// <summary>[sampled rows], or one unused element.</summary>
    public ArrayView<int> SampledRows { get; private set; }

    public ArrayView<int> BlockTables { get; private set; }

    public void Begin(StepBatch batch)
    {
        int rows = batch.RowCount;
        int sampled = Math.Max(1, batch.SampledRowCount);
        int count = 3 * rows + sampled + batch.Blocks.Length;
        Span<int> ints = _staged.Reserve(count);
        batch.Tokens.CopyTo(ints);
        batch.Positions.CopyTo(ints[rows..]);
        for (int r = 0; r < rows; r++)
        {
            ints[2 * rows + r] = batch.Sequences[batch.RowSequence[r]].FirstBlock;
        }

        batch.SampledRows.CopyTo(ints[(3 * rows)..]);
        batch.Blocks.CopyTo(ints[(3 * rows + sampled)..]);
        ArrayView<int> device = _staged.Upload(count);
        Tokens = device.SubView(0, rows);
        Positions = device.SubView(rows, rows);
        RowBlocks = device.SubView(2 * rows, rows);
        SampledRows = device.SubView(3 * rows, sampled);
        BlockTables = device.SubView(3 * rows + sampled, batch.Blocks.Length);
        Batch = batch;
    }

    /// <inheritdoc cref="StagedInts.Settled"/>
    public void Settled() => _staged.Settled();

    public void Dispose() => _staged.Dispose();
}
