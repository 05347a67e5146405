using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>Paged causal attention with grouped queries, for prompt chunks and for decode.</summary>
/// <remarks>
/// <para>
/// <b>One order for every row.</b> A row's context is cut into pieces of 256 positions and those into tiles of 32. Inside a piece
/// the online softmax (Milakov and Gimelshein, 2018) goes tile by tile; sums go slot by slot. Pieces are computed independently
/// of each other and merged in order. Both cuts count from position 0, so neither the chunk that a row came in, nor the rows
/// beside it, nor whether its pieces ran in one group or in many (Flash-Decoding, Dao et al., 2023) changes a bit.
/// </para>
/// <para>
/// <b>Work.</b> A warp computes four queries at a time (rows × heads of one KV head), so that a loaded key or value serves four.
/// For scores a lane is a slot: keys lie as [dimension][slot], so a load covers the tile and no score needs a reduction. For
/// the output a lane is a dimension: values lie as [slot][dimension].
/// </para>
/// </remarks>
internal static class AttentionKernels
{
    /// <summary>Positions of a piece.</summary>
    public const int Piece = 256;

    /// <summary>Most warps in a group.</summary>
    public const int MaxWarps = 4;

    /// <summary>Most query heads that a KV head serves: each warp takes four.</summary>
    public const int MaxSharing = 4 * MaxWarps;

    private const int Tile = Lanes.Count;

    /// <summary>Shared memory of a warp, in quads: its queries [HeadSize], then the tile's weights [32].</summary>
    public static int SharedQuads(int headSize) => headSize + Tile;

    /// <summary>
    /// Group (32, warps), grid (items, KvHeads); warps ≥ ⌈rows of an item · Heads / KvHeads / 4⌉. Writes finished rows to
    /// <see cref="AttentionArguments.Output"/>, or pieces to <see cref="AttentionArguments.Partials"/> if the item says so.
    /// </summary>
    public static void Attend<TPlatform, TCache, THead>(AttentionArguments arguments)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement
        where THead : struct, IHeadSums<THead>
    {
        CacheView cache = arguments.Cache;
        int lane = Group.IdxX;
        int kvHead = Grid.IdxY;
        int sharing = arguments.Heads / cache.KvHeads;
        int item = (arguments.FirstItem + Grid.IdxX) * AttentionArguments.ItemInts;
        int firstRow = arguments.Items[item];
        int queries = arguments.Items[item + 1] * sharing;
        int firstPiece = arguments.Items[item + 2];
        int endPiece = firstPiece + arguments.Items[item + 3];
        int partialRow = arguments.Items[item + 4];

        // The base of the group's memory is aligned: this kernel has no other.
        int sharedStart = Group.IdxY * (cache.HeadSize + Tile);
        ArrayView<Quad> shared = TPlatform.GroupMemory<Quad>(MaxWarps * (THead.Size + Tile)).AsAligned(16);
        ArrayView<Quad> tileWeights = shared.SubView(sharedStart + cache.HeadSize, Tile);

        // Queries of this warp: row-major over rows and the heads that share the KV head. Those beyond the last have no context.
        int q0 = Group.IdxY * 4;
        int row0 = firstRow + q0 / sharing, row1 = firstRow + (q0 + 1) / sharing, row2 = firstRow + (q0 + 2) / sharing, row3 = firstRow + (q0 + 3) / sharing;
        int head0 = kvHead * sharing + q0 % sharing, head1 = kvHead * sharing + (q0 + 1) % sharing, head2 = kvHead * sharing + (q0 + 2) % sharing, head3 = kvHead * sharing + (q0 + 3) % sharing;
        int context0 = q0 < queries ? arguments.Positions[row0] + 1 : 0;
        int context1 = q0 + 1 < queries ? arguments.Positions[row1] + 1 : 0;
        int context2 = q0 + 2 < queries ? arguments.Positions[row2] + 1 : 0;
        int context3 = q0 + 3 < queries ? arguments.Positions[row3] + 1 : 0;
        for (int d = lane; d < cache.HeadSize; d += Lanes.Count)
        {
            shared[sharedStart + d] = new Quad(
                context0 > 0 ? arguments.Query[row0 * arguments.QueryStride + head0 * cache.HeadSize + d] * arguments.Scale : 0,
                context1 > 0 ? arguments.Query[row1 * arguments.QueryStride + head1 * cache.HeadSize + d] * arguments.Scale : 0,
                context2 > 0 ? arguments.Query[row2 * arguments.QueryStride + head2 * cache.HeadSize + d] * arguments.Scale : 0,
                context3 > 0 ? arguments.Query[row3 * arguments.QueryStride + head3 * cache.HeadSize + d] * arguments.Scale : 0);
        }

        TPlatform.LaneBarrier();

        // The rows of an item are neighbours in one sequence: the last has the longest context. All warps walk it, so that
        // barriers meet.
        int longest = arguments.Positions[firstRow + queries / sharing - 1] + 1;
        int table = arguments.RowBlocks[firstRow];
        THead total = default;
        Quad totalMax = Quad.Splat(float.NegativeInfinity);
        Quad totalSum = default;
        for (int piece = firstPiece; piece < endPiece; piece++)
        {
            THead sums = default;
            Quad max = Quad.Splat(float.NegativeInfinity);
            Quad sum = default;
            int end = IntrinsicMath.Min((piece + 1) * Piece, longest);
            for (int start = piece * Piece; start < end; start += Tile)
            {
                // Slots of this tile that each query sees; lanes beyond the context read the last slot.
                int seen0 = Seen(context0, start), seen1 = Seen(context1, start), seen2 = Seen(context2, start), seen3 = Seen(context3, start);
                int position = IntrinsicMath.Min(start + lane, end - 1);
                int block = arguments.BlockTables[table + position / cache.BlockSize];
                long key = cache.KeyIndex(block, kvHead, position % cache.BlockSize);
                Quad scores = default;
                for (int d = 0; d < cache.HeadSize; d++)
                {
                    scores = Quad.MultiplyAdd<TPlatform>(Quad.Splat(TCache.Load<TPlatform>(cache, key)), shared[sharedStart + d], scores);
                    key += cache.BlockSize;
                }

                var visible = new QuadMask(lane < seen0, lane < seen1, lane < seen2, lane < seen3);
                scores = visible.Select(scores, Quad.Splat(float.NegativeInfinity));
                var any = new QuadMask(seen0 > 0, seen1 > 0, seen2 > 0, seen3 > 0);
                Quad newMax = any.Select(Quad.Max(max, TPlatform.LaneMaximum(scores, tileWeights, lane)), max);
                Quad correction = any.Select(Exp(max, newMax), Quad.Splat(1));
                tileWeights[lane] = visible.Select(Exp(scores, newMax), default);
                max = newMax;
                TPlatform.LaneBarrier();

                sums = THead.Scale(sums, correction);
                sum *= correction;
                int all = SeenByAll(queries - q0, seen0, seen1, seen2, seen3);
                int some = IntrinsicMath.Max(IntrinsicMath.Max(seen0, seen1), IntrinsicMath.Max(seen2, seen3));
                int entry = table + start / cache.BlockSize;
                int slot = start % cache.BlockSize;
                long value = cache.ValueIndex(arguments.BlockTables[entry], kvHead, slot);
                for (int i = 0; i < some; i++)
                {
                    Quad weight = tileWeights[i];
                    sum += weight;
                    sums = i < all
                        ? THead.Add<TPlatform, TCache>(sums, weight, cache, value, lane)
                        : THead.AddMasked<TPlatform, TCache>(sums, weight, new QuadMask(i < seen0, i < seen1, i < seen2, i < seen3), cache, value, lane);
                    value += cache.HeadSize;
                    slot++;
                    if (slot == cache.BlockSize && i + 1 < some)
                    {
                        slot = 0;
                        entry++;
                        value = cache.ValueIndex(arguments.BlockTables[entry], kvHead, 0);
                    }
                }

                TPlatform.LaneBarrier();
            }

            if (partialRow >= 0)
            {
                StorePartial<THead>(arguments, partialRow, head0, piece, lane, context0, 0, sums, max.X, sum.X);
                StorePartial<THead>(arguments, partialRow, head1, piece, lane, context1, 1, sums, max.Y, sum.Y);
                StorePartial<THead>(arguments, partialRow, head2, piece, lane, context2, 2, sums, max.Z, sum.Z);
                StorePartial<THead>(arguments, partialRow, head3, piece, lane, context3, 3, sums, max.W, sum.W);
            }
            else
            {
                int begin = piece * Piece;
                var reached = new QuadMask(context0 > begin, context1 > begin, context2 > begin, context3 > begin);
                Quad newMax = reached.Select(Quad.Max(totalMax, max), totalMax);
                Quad a = Exp(totalMax, newMax);
                Quad b = Exp(max, newMax);
                total = THead.Merge<TPlatform>(total, a, sums, b, reached);
                totalSum = reached.Select(Quad.MultiplyAdd<TPlatform>(totalSum, a, sum * b), totalSum);
                totalMax = newMax;
            }
        }

        if (partialRow < 0)
        {
            total = THead.Scale(total, new Quad(1f / totalSum.X, 1f / totalSum.Y, 1f / totalSum.Z, 1f / totalSum.W));
            StoreRow<THead>(arguments, row0, head0, lane, context0, 0, total);
            StoreRow<THead>(arguments, row1, head1, lane, context1, 1, total);
            StoreRow<THead>(arguments, row2, head2, lane, context2, 2, total);
            StoreRow<THead>(arguments, row3, head3, lane, context3, 3, total);
        }
    }

    /// <summary>Merges the pieces of a row in order, as <c>Attend</c> does in registers. Group (threads), grid (Heads, partial rows).</summary>
    public static void Combine<TPlatform>(AttentionArguments arguments)
        where TPlatform : struct, IPlatform
    {
        int headSize = arguments.Cache.HeadSize;
        int row = arguments.PartialRows[Grid.IdxY];
        int pieces = arguments.Positions[row] / Piece + 1;
        int stride = headSize + 2;
        long first = ((long)Grid.IdxY * arguments.Heads + Grid.IdxX) * arguments.MaxPieces * stride;
        for (int d = Group.IdxX; d < headSize; d += Group.DimX)
        {
            float total = 0, totalSum = 0, totalMax = float.NegativeInfinity;
            for (int piece = 0; piece < pieces; piece++)
            {
                long partial = first + (long)piece * stride;
                float max = arguments.Partials[partial + headSize];
                float newMax = XMath.Max(totalMax, max);
                float a = XMath.Exp(totalMax - newMax);
                float b = XMath.Exp(max - newMax);
                total = TPlatform.MultiplyAdd(total, a, FusedMath.Multiply(arguments.Partials[partial + d], b));
                totalSum = TPlatform.MultiplyAdd(totalSum, a, FusedMath.Multiply(arguments.Partials[partial + headSize + 1], b));
                totalMax = newMax;
            }

            arguments.Output[(long)row * arguments.OutputStride + Grid.IdxX * headSize + d] = FusedMath.Multiply(total, 1f / totalSum);
        }
    }

    private static int Seen(int context, int start) => IntrinsicMath.Clamp(context - start, 0, Tile);

    /// <summary>The fewest slots that any of the warp's real queries (the first <paramref name="queries"/> of four) sees.</summary>
    private static int SeenByAll(int queries, int seen0, int seen1, int seen2, int seen3)
    {
        int all = seen0;
        all = queries > 1 ? IntrinsicMath.Min(all, seen1) : all;
        all = queries > 2 ? IntrinsicMath.Min(all, seen2) : all;
        return queries > 3 ? IntrinsicMath.Min(all, seen3) : all;
    }

    private static Quad Exp(Quad x, Quad max) =>
        new(XMath.Exp(x.X - max.X), XMath.Exp(x.Y - max.Y), XMath.Exp(x.Z - max.Z), XMath.Exp(x.W - max.W));

    private static void StoreRow<THead>(AttentionArguments arguments, int row, int head, int lane, int context, int query, THead total)
        where THead : struct, IHeadSums<THead>
    {
        if (context > 0)
        {
            THead.Store(total, query, arguments.Output, (long)row * arguments.OutputStride + head * arguments.Cache.HeadSize, lane, arguments.Cache.HeadSize);
        }
    }

    private static void StorePartial<THead>(AttentionArguments arguments, int partialRow, int head, int piece, int lane, int context, int query, THead sums, float max, float sum)
        where THead : struct, IHeadSums<THead>
    {
        if (context > piece * Piece)
        {
            int headSize = arguments.Cache.HeadSize;
            long first = (((long)partialRow * arguments.Heads + head) * arguments.MaxPieces + piece) * (headSize + 2);
            THead.Store(sums, query, arguments.Partials, first, lane, headSize);
            if (lane == 0)
            {
                arguments.Partials[first + headSize] = max;
                arguments.Partials[first + headSize + 1] = sum;
            }
        }
    }
}
