using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// Attention of some rows over one piece of the context: online softmax (Milakov and Gimelshein; FlashAttention), block by block.
/// </summary>
/// <remarks>
/// <para>
/// A block's keys and values are widened to F32 in working memory that stays in the first-level cache, once for all rows of the
/// tile. Rows are then taken four at a time: scores = q · K as a product [4 × head] · [head × slots], since keys lie by dimension;
/// softmax by row; o += p · V as a product [4 × slots] · [slots × head]. Both run over their depth in order, with one multiply-add for
/// each step, so that a row's numbers are the same in a tile of one row and of many.
/// </para>
/// <para>
/// F16 values enter as their value times 2^-112 (<see cref="HalfFloats"/>): the queries and the probabilities carry 2^112 instead.
/// </para>
/// <para>
/// Slots beyond a row's position may hold anything, even NaN: their scores are replaced before the maximum is taken, and the
/// product with the values stops at the last slot that any of the four rows may see; up to there the step has written all.
/// </para>
/// </remarks>
internal static unsafe class AttentionTile<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>Rows of a micro-tile; a tile's rows are padded to a multiple.</summary>
    public const int MicroRows = 4;

    /// <param name="queries">[rows][headSize], scaled.</param>
    /// <param name="limits">For each row, the number of positions that it sees; 0 for padding.</param>
    /// <param name="rows">A multiple of <see cref="MicroRows"/>, by position ascending (padding last).</param>
    /// <param name="geometry">Sizes.</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="kvHead">Key/value head.</param>
    /// <param name="blocks">Block table of the sequence.</param>
    /// <param name="piece">Piece of the context.</param>
    /// <param name="states">State of each row; overwritten.</param>
    /// <param name="work">Working memory of <see cref="WorkFloats"/>.</param>
    public static void Piece(
        float* queries, int* limits, int rows, in AttentionGeometry geometry, CpuKvCache cache, int layer, int kvHead, ReadOnlySpan<int> blocks, int piece, float* states, float* work)
    {
        int headSize = geometry.Shape.HeadSize;
        int paddedSlots = geometry.PaddedSlots;
        int paddedHead = geometry.PaddedHead;
        int stateFloats = geometry.StateFloats;
        int blockSize = geometry.Layout.BlockSize;
        float* keys = work;
        float* values = keys + headSize * paddedSlots;
        float* scores = values + blockSize * paddedHead;
        float unit = geometry.Layout.Type == KvType.F16 ? HalfFloats.Scale : 1f;
        for (int r = 0; r < rows; r++)
        {
            AttentionState<L, V>.Clear(states + (long)r * stateFloats, stateFloats);
        }

        int furthest = 0;
        for (int r = 0; r < rows; r++)
        {
            furthest = Math.Max(furthest, limits[r]);
        }

        int end = Math.Min((piece + 1) * geometry.PieceBlocks, (furthest + blockSize - 1) / blockSize);
        for (int b = piece * geometry.PieceBlocks; b < end; b++)
        {
            int start = b * blockSize;
            KvWiden<L, V>.Load(cache.Block(layer, blocks[b]), geometry, kvHead, Math.Min(blockSize, furthest - start), keys, values);
            for (int r = 0; r < rows; r += MicroRows)
            {
                int seen = 0;
                for (int i = 0; i < MicroRows; i++)
                {
                    seen = Math.Max(seen, Math.Min(blockSize, limits[r + i] - start));
                }

                if (seen <= 0)
                {
                    continue;
                }

                float* state = states + (long)r * stateFloats;
                for (int c = 0; c < paddedSlots; c += 2 * L.Count)
                {
                    MicroProduct<L, V>.Run(queries + r * headSize, headSize, keys + c, paddedSlots, headSize, scores + c, paddedSlots, false);
                }

                for (int i = 0; i < MicroRows; i++)
                {
                    Softmax(scores + i * paddedSlots, paddedSlots, Math.Min(blockSize, limits[r + i] - start), unit, state + i * stateFloats, stateFloats);
                }

                float* output = state + AttentionGeometry.StateOutput;
                for (int c = 0; c < paddedHead; c += 2 * L.Count)
                {
                    MicroProduct<L, V>.Run(scores, paddedSlots, values + c, paddedHead, seen, output + c, stateFloats, true);
                }
            }
        }
    }

    /// <summary>Floats of working memory that <see cref="Piece"/> needs.</summary>
    public static int WorkFloats(in AttentionGeometry geometry) =>
        geometry.Shape.HeadSize * geometry.PaddedSlots + geometry.Layout.BlockSize * geometry.PaddedHead + MicroRows * geometry.PaddedSlots;

    /// <summary>Scores to probabilities times <paramref name="unit"/>; updates maximum and sums, rescales the output.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Softmax(float* scores, int slots, int seen, float unit, float* state, int stateFloats)
    {
        if (seen <= 0)
        {
            new Span<float>(scores, slots).Clear();
            return;
        }

        V lowest = L.Broadcast(float.NegativeInfinity);
        V largest = lowest;
        for (int i = 0; i < slots; i += L.Count)
        {
            largest = L.Max(largest, L.Select(i, seen, L.Load(scores + i), lowest));
        }

        float max = Math.Max(state[0], L.MaxAcross(largest));
        if (max != state[0])
        {
            V factor = VectorMath<L, V>.Exp(L.Broadcast(state[0] - max));
            for (int i = AttentionGeometry.StateSums; i < stateFloats; i += L.Count)
            {
                L.Store(state + i, L.Multiply(L.Load(state + i), factor));
            }

            state[0] = max;
        }

        V shift = L.Broadcast(max);
        V scale = L.Broadcast(unit);
        float* sums = state + AttentionGeometry.StateSums;
        for (int i = 0; i < slots; i += L.Count)
        {
            V p = VectorMath<L, V>.Exp(L.Subtract(L.Load(scores + i), shift));
            p = L.Select(i, seen, p, L.Zero);
            float* lane = sums + i % 16;
            L.Store(lane, L.Add(L.Load(lane), p));
            L.Store(scores + i, L.Multiply(p, scale));
        }
    }
}
