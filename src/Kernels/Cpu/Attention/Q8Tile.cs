using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// Attention of some rows over one piece of a context in <see cref="KvType.Q8"/>: online softmax, block by block, as in <see cref="AttentionTile{L,V}"/>; but
/// queries, keys, probabilities and values are integers, and their products sums of integers.
/// </summary>
/// <remarks>
/// An instruction multiplies four bytes, or two 16-bit numbers, for each lane that would multiply one float: scores cost a quarter of what they cost in F32, weighted values
/// half, and nothing is widened in working memory. Rows go through all whole blocks of the piece a few at a time, in one call (<see cref="BlockProduct.RunBlocks"/>);
/// <see cref="Q8Block{L,V}"/> computes the others.
/// </remarks>
internal static unsafe class Q8Tile<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>Computes the states of all rows.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Compute(BlockProduct product, in AttentionPiece piece)
    {
        AttentionGeometry geometry = piece.Geometry;
        AttentionState<L, V>.Clear(piece);
        bool runs = product.HasRuns(geometry);
        int count = runs ? 2 * piece.Heads * geometry.PieceBlocks + piece.RegionsAfter : 0;
        nint* regions = stackalloc nint[count];
        piece.Locate(regions, count, piece.End(piece.Limit(0, piece.Rows).Furthest));
        for (int r = 0; r < piece.Rows; r += product.MaxRows)
        {
            int rows = Math.Min(product.MaxRows, piece.Rows - r);
            (int nearest, int furthest) = piece.Limit(r, rows);
            int end = piece.End(furthest);
            int whole = runs ? Math.Min(end, nearest / geometry.Layout.BlockSize) : piece.First;
            int b = piece.First;
            while (b < end)
            {
                if (b < whole)
                {
                    b += product.RunBlocks(piece.Run(regions, r, rows, b, whole));
                    if (b == end)
                    {
                        break;
                    }
                }

                Block(piece, b, r, rows);
                b++;
            }
        }
    }

    /// <summary>One block, some rows of all heads.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Block(in AttentionPiece piece, int index, int first, int rows)
    {
        AttentionGeometry geometry = piece.Geometry;
        int blockSize = geometry.Layout.BlockSize;
        byte* block = piece.Cache.Block(piece.Layer, piece.Blocks[index]);
        for (int h = 0; h < piece.Heads; h++)
        {
            for (int r = first; r < first + rows; r++)
            {
                int seen = Math.Min(blockSize, piece.Limits[r] - index * blockSize);
                if (seen > 0)
                {
                    long row = (long)h * piece.Rows + r;
                    Q8Block<L, V>.Compute(
                        block, geometry, piece.KvHead + h, (sbyte*)(piece.Queries + row * geometry.Shape.HeadSize), seen, piece.Scores, (short*)piece.Keys, piece.States + row * geometry.StateFloats);
                }
            }
        }
    }
}
