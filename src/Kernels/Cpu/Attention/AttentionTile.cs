using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// Attention of some rows over one piece of the context: online softmax (Milakov and Gimelshein; FlashAttention), block by block.
/// </summary>
/// <remarks>
/// <para>
/// Rows are taken up to eight at a time: scores = q · K as a product [rows × head] · [head × slots], since keys lie by dimension;
/// softmax by row; o += p · V as a product [rows × slots] · [slots × head]. Both run over their depth in order, with one multiply-add
/// for each step (<see cref="BlockProduct"/>), so that a row's numbers are the same in a tile of one row and of many.
/// </para>
/// <para>
/// Few rows read F16 keys and values where they lie, and many blocks in one call (<see cref="BlockProduct.RunBlocks"/>). For many rows,
/// a block is widened to F32 once, in working memory that stays in the
/// first-level cache. Where the product cannot convert, F16 values enter as their value times 2^-112 (<see cref="HalfFloats"/>), and the
/// queries and the probabilities carry 2^112 instead.
/// </para>
/// <para>
/// Slots beyond a row's position may hold anything, even NaN: their scores are replaced before the maximum is taken, and the
/// product with the values stops at the last slot that any of its rows may see; up to there the step has written all.
/// </para>
/// </remarks>
internal static unsafe class AttentionTile<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <param name="product">Multiplies.</param>
    /// <param name="queries">[rows][headSize], scaled.</param>
    /// <param name="limits">For each row, the number of positions that it sees; 0 for padding.</param>
    /// <param name="rows">A multiple of what the product asks for, by position ascending (padding last).</param>
    /// <param name="geometry">Sizes.</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="kvHead">Key/value head.</param>
    /// <param name="blocks">Block table of the sequence.</param>
    /// <param name="piece">Piece of the context.</param>
    /// <param name="states">State of each row; overwritten.</param>
    /// <param name="upcoming">Keys that are read after this piece, to ask for them; null if none are known.</param>
    /// <param name="work">Working memory of <see cref="AttentionGeometry.WorkFloats"/>.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Piece(
        BlockProduct product, float* queries, int* limits, int rows, in AttentionGeometry geometry, CpuKvCache cache, int layer, int kvHead, ReadOnlySpan<int> blocks, int piece, byte* upcoming, float* states, float* work)
    {
        int blockSize = geometry.Layout.BlockSize;
        int furthest = 0;
        int nearest = int.MaxValue;
        for (int r = 0; r < rows; r++)
        {
            AttentionState<L, V>.Clear(states + (long)r * geometry.StateFloats, geometry.StateFloats);
            furthest = Math.Max(furthest, limits[r]);
            nearest = Math.Min(nearest, limits[r]);
        }

        bool direct = product.ReadsHalf && rows <= product.MaxRows && geometry.IsPlain && geometry.Layout.Type == KvType.F16;
        float* keys = work;
        float* values = keys + geometry.KeyFloats;
        float* scores = values + geometry.ValueFloats;
        var source = new KvSource(keys, geometry.PaddedSlots, values, geometry.PaddedHead, false, 0);
        int first = piece * geometry.PieceBlocks;
        int end = Math.Min(first + geometry.PieceBlocks, (furthest + blockSize - 1) / blockSize);

        // Blocks of which every row sees all; a piece's first block raises every maximum.
        int whole = direct && blockSize == BlockProduct.Columns ? Math.Min(end, nearest / blockSize) : 0;
        nint valueOffset = 2 * (nint)(geometry.Layout.ValueOffset(kvHead, 0, 0) - geometry.Layout.KeyOffset(kvHead, 0, 0));
        nint* addresses = stackalloc nint[Math.Max(whole - first, 0) + 1];
        for (int i = first; i < whole; i++)
        {
            addresses[i - first] = (nint)cache.Keys(layer, blocks[i], kvHead);
        }

        if (whole > first)
        {
            byte* next = whole < end ? cache.Keys(layer, blocks[whole], kvHead) : upcoming;
            addresses[whole - first] = next == null ? addresses[whole - first - 1] : (nint)next;
        }

        for (int b = first; b < end; b++)
        {
            if (b > first && b < whole)
            {
                b += product.RunBlocks(
                    rows, queries, geometry.Shape.HeadSize, addresses + (b - first), whole - b, valueOffset, scores, states, geometry.StateFloats);
                if (b == end)
                {
                    break;
                }
            }

            int start = b * blockSize;
            byte* block = cache.Block(layer, blocks[b]);
            if (direct)
            {
                source = KvSource.InPlace(block, geometry.Layout, kvHead, b + 1 < end ? cache.Keys(layer, blocks[b + 1], kvHead) : upcoming);
            }
            else
            {
                float unit = product.ReadsHalf ? HalfFloats.Scale : 1f;
                KvWiden<L, V>.Load(block, geometry, kvHead, Math.Min(blockSize, furthest - start), unit, keys, values);
            }

            for (int r = 0; r < rows; r += product.MaxRows)
            {
                Rows(product, queries, limits, r, Math.Min(product.MaxRows, rows - r), geometry, start, source, states, scores);
            }
        }
    }

    /// <summary>One block for as many rows as the product takes at once.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Rows(
        BlockProduct product, float* queries, int* limits, int first, int rows, in AttentionGeometry geometry, int start, in KvSource source, float* states, float* scores)
    {
        int headSize = geometry.Shape.HeadSize;
        int slots = geometry.PaddedSlots;
        int stateFloats = geometry.StateFloats;
        int blockSize = geometry.Layout.BlockSize;
        int seen = 0;
        int least = blockSize;
        for (int i = 0; i < rows; i++)
        {
            int own = Math.Min(blockSize, limits[first + i] - start);
            seen = Math.Max(seen, own);
            least = Math.Min(least, own);
        }

        if (seen <= 0)
        {
            return;
        }

        float* state = states + (long)first * stateFloats;
        bool isDone = false;
        if (least == BlockProduct.Columns && slots == BlockProduct.Columns)
        {
            isDone = product.RunSoftmax(rows, queries + first * headSize, headSize, source, scores, state, stateFloats);
        }
        else
        {
            for (int c = 0; c < slots; c += BlockProduct.Columns)
            {
                product.Run(rows, queries + first * headSize, headSize, source.KeyColumn(c), source.KeyStride, source.Half, source.Ahead, headSize, scores + c, slots, false);
            }
        }

        float unit = product.ReadsHalf || geometry.Layout.Type == KvType.F32 ? 1f : HalfFloats.Scale;
        for (int i = 0; i < rows && !isDone; i++)
        {
            Softmax<L, V>.Apply(scores + i * slots, slots, Math.Min(blockSize, limits[first + i] - start), unit, state + i * stateFloats, stateFloats);
        }

        float* output = state + AttentionGeometry.StateOutput;
        for (int c = 0; c < geometry.PaddedHead; c += BlockProduct.Columns)
        {
            product.Run(rows, scores, slots, source.ValueColumn(c), source.ValueStride, source.Half, source.Ahead, seen, output + c, stateFloats, true);
        }
    }
}
