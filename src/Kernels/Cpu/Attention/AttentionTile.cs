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
/// Few rows read F16 keys and values where they lie, all heads of many blocks in one call (<see cref="BlockProduct.RunBlocks"/>). For many rows,
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
    // What is read in two thirds of a microsecond: memory has answered by then even when it is slow, and the second-level cache holds it.
    private const int BytesAhead = 16 << 10;

    /// <param name="product">Multiplies.</param>
    /// <param name="queries">[heads][rows][headSize], scaled.</param>
    /// <param name="limits">For each row, the number of positions that it sees; 0 for padding.</param>
    /// <param name="rows">Of each head: a multiple of what the product asks for, by position ascending (padding last).</param>
    /// <param name="geometry">Sizes.</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="kvHead">First key/value head.</param>
    /// <param name="heads">Key/value heads: one, or some with at most as many rows as the product takes.</param>
    /// <param name="blocks">Block table of the sequence.</param>
    /// <param name="piece">Piece of the context.</param>
    /// <param name="states">[heads][rows]: state of each row; overwritten.</param>
    /// <param name="upcoming">Keys that are read after this piece, to ask for them; null if none are known.</param>
    /// <param name="work">Working memory of <see cref="AttentionGeometry.WorkFloats"/>.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Piece(
        BlockProduct product,
        float* queries,
        int* limits,
        int rows,
        in AttentionGeometry geometry,
        CpuKvCache cache,
        int layer,
        int kvHead,
        int heads,
        ReadOnlySpan<int> blocks,
        int piece,
        byte* upcoming,
        float* states,
        float* work)
    {
        int blockSize = geometry.Layout.BlockSize;
        int furthest = 0;
        int nearest = int.MaxValue;
        for (int r = 0; r < rows; r++)
        {
            furthest = Math.Max(furthest, limits[r]);
            nearest = Math.Min(nearest, limits[r]);
        }

        for (int r = 0; r < heads * rows; r++)
        {
            AttentionState<L, V>.Clear(states + (long)r * geometry.StateFloats, geometry.StateFloats);
        }

        bool direct = product.ReadsHalf && rows <= product.MaxRows && geometry.IsPlain && geometry.Layout.Type == KvType.F16;
        float* keys = work;
        float* values = keys + geometry.KeyFloats;
        float* scores = values + geometry.ValueFloats;
        int first = piece * geometry.PieceBlocks;
        int end = Math.Min(first + geometry.PieceBlocks, (furthest + blockSize - 1) / blockSize);

        // Blocks of which every row sees all.
        int whole = direct && product.RunsHeads && blockSize == BlockProduct.Columns ? Math.Min(end, nearest / blockSize) : 0;
        int ahead = Math.Max(1, BytesAhead / (geometry.Layout.HeadSize * blockSize * 2));
        nint* regions = stackalloc nint[whole > first ? 2 * heads * (whole - first) + ahead : 0];
        if (whole > first)
        {
            Locate(regions, 2 * heads * (whole - first) + ahead, geometry.Layout, cache, layer, kvHead, heads, blocks[first..end], upcoming);
        }

        int b = first;
        while (b < end)
        {
            if (b < whole)
            {
                b += product.RunBlocks(new BlockRun
                {
                    Rows = rows,
                    Heads = heads,
                    HeadSize = geometry.Shape.HeadSize,
                    Queries = queries,
                    Regions = regions + 2 * heads * (b - first),
                    RegionsAhead = ahead,
                    Blocks = whole - b,
                    IsFresh = b == first,
                    Scores = scores,
                    States = states,
                    StateFloats = geometry.StateFloats,
                });
                if (b == end)
                {
                    break;
                }
            }

            Block(product, queries, limits, rows, geometry, cache, layer, kvHead, heads, blocks, b, furthest, direct, upcoming, states, keys, values, scores);
            b++;
        }
    }

    /// <summary>Where the keys and values of blocks lie, in the order of <see cref="BlockRun.Regions"/>; behind the last of them what is <paramref name="upcoming"/>.</summary>
    private static void Locate(
        nint* regions, int count, KvLayout layout, CpuKvCache cache, int layer, int kvHead, int heads, ReadOnlySpan<int> blocks, byte* upcoming)
    {
        nint region = 2 * (nint)layout.HeadSize * layout.BlockSize;
        nint valueOffset = 2 * (nint)(layout.ValueOffset(kvHead, 0, 0) - layout.KeyOffset(kvHead, 0, 0));
        nint block = 0;
        for (int i = 0, index = 0; i < count; i += 2 * heads, index++)
        {
            // What nobody knows yet is asked for once more where it was last.
            block = index < blocks.Length ? (nint)cache.Keys(layer, blocks[index], kvHead) : index == blocks.Length && upcoming != null ? (nint)upcoming : block;
            for (int r = 0; r < Math.Min(2 * heads, count - i); r++)
            {
                regions[i + r] = block + (r < heads ? r * region : valueOffset + (r - heads) * region);
            }
        }
    }

    /// <summary>One block for all heads.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Block(
        BlockProduct product,
        float* queries,
        int* limits,
        int rows,
        in AttentionGeometry geometry,
        CpuKvCache cache,
        int layer,
        int kvHead,
        int heads,
        ReadOnlySpan<int> blocks,
        int index,
        int furthest,
        bool direct,
        byte* upcoming,
        float* states,
        float* keys,
        float* values,
        float* scores)
    {
        KvLayout layout = geometry.Layout;
        int start = index * layout.BlockSize;
        byte* block = cache.Block(layer, blocks[index]);
        bool isLast = start + layout.BlockSize >= furthest || index + 1 == blocks.Length;
        for (int h = 0; h < heads; h++)
        {
            KvSource source;
            if (direct)
            {
                byte* next = isLast ? upcoming == null ? null : upcoming + 2L * h * layout.HeadSize * layout.BlockSize : cache.Keys(layer, blocks[index + 1], kvHead + h);
                source = KvSource.InPlace(block, layout, kvHead + h, next);
            }
            else
            {
                float unit = product.ReadsHalf ? HalfFloats.Scale : 1f;
                KvWiden<L, V>.Load(block, geometry, kvHead + h, Math.Min(layout.BlockSize, furthest - start), unit, keys, values);
                source = new KvSource(keys, geometry.PaddedSlots, values, geometry.PaddedHead, false, 0);
            }

            float* q = queries + (long)h * rows * geometry.Shape.HeadSize;
            float* state = states + (long)h * rows * geometry.StateFloats;
            for (int r = 0; r < rows; r += product.MaxRows)
            {
                Rows(product, q, limits, r, Math.Min(product.MaxRows, rows - r), geometry, start, source, state, scores);
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
