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
/// a block is widened to F32 once, in working memory that stays in the first-level cache. Where the product cannot convert, F16 values enter as
/// their value times 2^-112 (<see cref="HalfFloats"/>), and the queries and the probabilities carry 2^112 instead.
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

    [MethodImpl(KernelCode.Optimized)]
    public static void Compute(BlockProduct product, in AttentionPiece piece)
    {
        AttentionGeometry geometry = piece.Geometry;
        int blockSize = geometry.Layout.BlockSize;
        int furthest = 0;
        int nearest = int.MaxValue;
        for (int r = 0; r < piece.Rows; r++)
        {
            furthest = Math.Max(furthest, piece.Limits[r]);
            nearest = Math.Min(nearest, piece.Limits[r]);
        }

        for (int r = 0; r < piece.Heads * piece.Rows; r++)
        {
            AttentionState<L, V>.Clear(piece.States + (long)r * geometry.StateFloats, geometry.StateFloats);
        }

        bool direct = product.ReadsHalf && geometry.ReadsInPlace && piece.Rows <= product.MaxRows;
        int first = piece.Index * geometry.PieceBlocks;
        int end = Math.Min(first + geometry.PieceBlocks, (furthest + blockSize - 1) / blockSize);

        // Blocks of which every row sees all.
        int whole = direct && geometry.IsBlockOneStripe ? Math.Min(end, nearest / blockSize) : first;
        int ahead = Math.Max(1, BytesAhead / geometry.RegionBytes);
        int count = whole > first ? 2 * piece.Heads * (whole - first) + ahead : 0;
        nint* regions = stackalloc nint[count];
        Locate(regions, count, piece, first, end);
        int b = first;
        while (b < end)
        {
            if (b < whole)
            {
                b += product.RunBlocks(new BlockRun
                {
                    Rows = piece.Rows,
                    Heads = piece.Heads,
                    HeadSize = geometry.Shape.HeadSize,
                    Queries = piece.Queries,
                    Regions = regions + 2 * piece.Heads * (b - first),
                    RegionsAhead = ahead,
                    Blocks = whole - b,
                    IsFresh = b == first,
                    Scores = piece.Scores,
                    States = piece.States,
                    StateFloats = geometry.StateFloats,
                });
                if (b == end)
                {
                    break;
                }
            }

            Block(product, piece, b, furthest, direct);
            b++;
        }
    }

    /// <summary>Where the keys and values of blocks lie, in the order of <see cref="BlockRun.Regions"/>; behind the last of them what is read after the piece.</summary>
    private static void Locate(nint* regions, int count, in AttentionPiece piece, int first, int end)
    {
        int heads = piece.Heads;
        nint region = piece.Geometry.RegionBytes;
        nint valueOffset = (nint)(piece.Layout.ValueOffset(piece.KvHead, 0, 0) - piece.Layout.KeyOffset(piece.KvHead, 0, 0)) * piece.Layout.ElementBytes;
        nint block = 0;
        for (int i = 0, index = first; i < count; i += 2 * heads, index++)
        {
            // What nobody knows yet is asked for once more where it was last.
            block = index < end ? (nint)piece.Cache.Keys(piece.Layer, piece.Blocks[index], piece.KvHead) : index == end && piece.Upcoming != null ? (nint)piece.Upcoming : block;
            for (int r = 0; r < Math.Min(2 * heads, count - i); r++)
            {
                regions[i + r] = block + (r < heads ? r * region : valueOffset + (r - heads) * region);
            }
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
                source = KvSource.InPlace(block, layout, piece.KvHead + h, next == null ? null : next + (long)h * geometry.RegionBytes);
            }
            else
            {
                float unit = product.ReadsHalf ? HalfFloats.Scale : 1f;
                KvWiden<L, V>.Load(block, geometry, piece.KvHead + h, Math.Min(layout.BlockSize, furthest - start), unit, piece.Keys, piece.Values);
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
