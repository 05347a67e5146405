using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// The small matrix product of attention, for a stripe of 32 columns: c [rows × 32] = a [rows × depth] · b [depth × 32], with one
/// multiply-add for each step of the depth, in order: a row's result does not depend on the others.
/// </summary>
/// <remarks>Stateless and thread-safe.</remarks>
internal abstract unsafe class BlockProduct
{
    /// <summary>Columns of a stripe.</summary>
    public const int Columns = 32;

    /// <summary>Most rows of a call.</summary>
    public abstract int MaxRows { get; }

    /// <summary>Rows come in multiples of this.</summary>
    public abstract int RowMultiple { get; }

    /// <summary>True if b may be F16 as it lies in the cache; otherwise it must have been widened (<see cref="KvWiden{L,V}"/>).</summary>
    public abstract bool ReadsHalf { get; }

    /// <summary>True if <see cref="RunBlocks"/> takes blocks and heads of these sizes and type.</summary>
    public abstract bool HasRuns(in AttentionGeometry geometry);

    /// <param name="rows">Rows of a and c.</param>
    /// <param name="a">F32, <paramref name="aStride"/> floats from row to row.</param>
    /// <param name="aStride">Floats.</param>
    /// <param name="b">F32, or F16 if <paramref name="half"/>.</param>
    /// <param name="bStride">Elements from row to row of b.</param>
    /// <param name="half">Element type of b.</param>
    /// <param name="ahead">Bytes from b to what will be b next time, to ask for it; 0 if nothing comes.</param>
    /// <param name="depth">Steps.</param>
    /// <param name="c">F32, <paramref name="cStride"/> floats from row to row.</param>
    /// <param name="cStride">Floats.</param>
    /// <param name="accumulate">Starts from what c holds instead of from zero.</param>
    public abstract void Run(int rows, float* a, int aStride, void* b, int bStride, bool half, nint ahead, int depth, float* c, int cStride, bool accumulate);

    /// <summary>
    /// The scores of a stripe of which every row sees all slots, and their softmax (<see cref="Softmax{L,V}"/>), unless some row's maximum must be
    /// raised first: then the scores alone, and false.
    /// </summary>
    /// <param name="rows">Rows.</param>
    /// <param name="queries">[rows][depth].</param>
    /// <param name="depth">Size of a head.</param>
    /// <param name="source">Keys.</param>
    /// <param name="scores">[rows][32]: probabilities, or the scores.</param>
    /// <param name="states">State of the first row, see <see cref="AttentionGeometry"/>.</param>
    /// <param name="stateFloats">From row to row.</param>
    public virtual bool RunSoftmax(int rows, float* queries, int depth, in KvSource source, float* scores, float* states, int stateFloats)
    {
        Run(rows, queries, depth, source.KeyColumn(0), source.KeyStride, source.Half, source.Ahead, depth, scores, Columns, false);
        return false;
    }

    /// <summary>
    /// Scores, softmax and weighted values of consecutive blocks of 32 slots, of which every row sees all slots: as many as there are before the first in
    /// which a maximum must be raised while some score is not a number, or a row that has seen nothing has no largest score. What <see cref="RunSoftmax"/> and <see cref="Run"/> (Q8: <see cref="Q8Block{L,V}"/>) would do head by head, to the bit.
    /// </summary>
    /// <returns>Blocks done. Those after them have left no trace but the maximum of rows that had none.</returns>
    public virtual int RunBlocks(in BlockRun run) => 0;
}

/// <summary>The product in C#, four rows and two vectors at a time.</summary>
internal sealed unsafe class BlockProduct<L, V> : BlockProduct
    where L : ILanes<V>
    where V : unmanaged
{
    public override int MaxRows => 4;

    public override int RowMultiple => 4;

    public override bool ReadsHalf => false;

    public override bool HasRuns(in AttentionGeometry geometry) => false;

    public override void Run(int rows, float* a, int aStride, void* b, int bStride, bool half, nint ahead, int depth, float* c, int cStride, bool accumulate)
    {
        for (int column = 0; column < Columns; column += 2 * L.Count)
        {
            MicroProduct<L, V>.Run(a, aStride, (float*)b + column, bStride, depth, c + column, cStride, accumulate);
        }
    }
}
