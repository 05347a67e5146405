using System.Runtime.CompilerServices;
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
/// and where the product cannot convert, a block is widened to F32 once, in working memory that stays in the first-level cache.
/// </para>
/// <para>
/// Slots beyond a row's position may hold anything, even NaN: their scores are replaced before the maximum is taken, and no row's
/// probabilities are multiplied with values that it may not see, not even by zero. Some rows share the product up to the last slot that all of them see;
/// each takes the few that it sees beyond for itself (<see cref="RowValues{L,V}"/>).
/// </para>
/// </remarks>
internal static unsafe class AttentionTile<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    [MethodImpl(KernelCode.Optimized)]
    public static void Compute(BlockProduct product, in AttentionPiece piece)
    {
        AttentionGeometry geometry = piece.Geometry;
        int blockSize = geometry.Layout.BlockSize;
        (int nearest, int furthest) = piece.Limit(0, piece.Rows);
        AttentionState<L, V>.Clear(piece);
        bool direct = product.ReadsHalf && geometry.ReadsInPlace && piece.Rows <= product.MaxRows;
        int end = piece.End(furthest);

        // Blocks of which every row sees all.
        int whole = direct && product.HasRuns(geometry) ? Math.Min(end, nearest / blockSize) : piece.First;
        int count = whole > piece.First ? 2 * piece.Heads * (whole - piece.First) + piece.RegionsAfter : 0;
        nint* regions = stackalloc nint[count];
        piece.Locate(regions, count, end);
        int b = piece.First;
        while (b < end)
        {
            if (b < whole)
            {
                b += product.RunBlocks(piece.Run(regions, 0, piece.Rows, b, whole));
                if (b == end)
                {
                    break;
                }
            }

            Block(product, piece, b, furthest, direct);
            b++;
        }
    }

    /// <summary>One block for all heads.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Block(BlockProduct product, in AttentionPiece piece, int index, int furthest, bool direct)
    {
        AttentionGeometry geometry = piece.Geometry;
        KvLayout layout = piece.Layout;
        int start = index * layout.BlockSize;
        byte* block = piece.Cache.Block(piece.Layer, piece.Blocks[index]);
        bool isLast = start + layout.BlockSize >= furthest || index + 1 == piece.Blocks.Length;
        byte* next = isLast ? piece.Upcoming : piece.Cache.Keys(piece.Layer, piece.Blocks[index + 1], piece.KvHead);
        for (int h = 0; h < piece.Heads; h++)
        {
            KvSource source;
            if (direct)
            {
                source = KvSource.InPlace(block, layout, piece.KvHead + h, next == null ? null : next + (long)h * layout.HeadBytes);
            }
            else
            {
                int slots = Math.Min(layout.BlockSize, furthest - start);
                KvWiden<L, V>.Load(block, geometry, piece.KvHead + h, slots, piece.Keys, piece.Values);
                source = new KvSource(piece.Keys, geometry.PaddedSlots, piece.Values, geometry.PaddedHead, false, 0);
            }

            float* queries = piece.Queries + (long)h * piece.Rows * geometry.Shape.HeadSize;
            float* states = piece.States + (long)h * piece.Rows * geometry.StateFloats;
            for (int r = 0; r < piece.Rows; r += product.MaxRows)
            {
                Rows(product, queries, piece.Limits, r, Math.Min(product.MaxRows, piece.Rows - r), geometry, start, source, states, piece.Scores);
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
            int own = Math.Clamp(limits[first + i] - start, 0, blockSize);
            seen = Math.Max(seen, own);

            // Rows that only fill the tile see nothing anywhere.
            least = limits[first + i] == 0 ? least : Math.Min(least, own);
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

        for (int i = 0; i < rows && !isDone; i++)
        {
            int own = Math.Min(blockSize, limits[first + i] - start);
            Softmax<L, V>.Apply(scores + i * slots, slots, own, state + i * stateFloats, stateFloats);
        }

        float* output = state + AttentionGeometry.StateOutput;
        for (int c = 0; c < geometry.PaddedHead && least > 0; c += BlockProduct.Columns)
        {
            product.Run(rows, scores, slots, source.ValueColumn(c), source.ValueStride, source.Half, source.Ahead, least, output + c, stateFloats, true);
        }

        for (int i = 0; i < rows && least < seen; i++)
        {
            int own = Math.Min(blockSize, limits[first + i] - start);
            RowValues<L, V>.Add(scores + i * slots, source, least, own, geometry.PaddedHead, output + i * stateFloats);
        }
    }
}
