using ILGPU;
using ILGPU.Algorithms;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>See <see cref="RopeKernels.RopeAppend{TPlatform, TCache}"/>.</summary>
internal struct RopeArguments
{
    /// <summary>[rows, QueryStride], rotated in place.</summary>
    public ArrayView<float> Query;

    /// <summary>[rows, KvStride]</summary>
    public ArrayView<float> Key;

    /// <summary>[rows, KvStride]</summary>
    public ArrayView<float> Value;

    /// <summary>[positions, Pairs]: cosine and sine, next to each other.</summary>
    public ArrayView<float> Rotations;

    /// <summary>[HeadSize] each, or one unused element.</summary>
    public ArrayView<float> QueryNorm;

    public ArrayView<float> KeyNorm;

    public ArrayView<int> Positions;

    public ArrayView<int> RowBlocks;

    public ArrayView<int> BlockTables;

    public CacheView Cache;

    public int QueryStride;

    public int KvStride;

    public int Heads;

    public int Pairs;

    public int Interleaved;

    public int HasNorm;

    public float Epsilon;
}

internal static class RopeKernels
{
    /// <summary>
    /// Normalises and rotates one query or key head, or takes one value head, and writes keys and values into their slots.
    /// Group (32), grid (Heads + 2 · KvHeads, rows).
    /// </summary>
    public static void RopeAppend<TPlatform, TCache>(RopeArguments arguments)
        where TPlatform : struct, IPlatform
        where TCache : struct, ICacheElement
    {
        CacheView cache = arguments.Cache;
        ArrayView<float> squares = SharedMemory.Allocate<float>(Lanes.Count);
        int lane = Group.IdxX;
        int row = Grid.IdxY;
        int head = Grid.IdxX;
        int position = arguments.Positions[row];
        int block = arguments.BlockTables[arguments.RowBlocks[row] + position / cache.BlockSize];
        int slot = position % cache.BlockSize;
        if (head >= arguments.Heads + cache.KvHeads)
        {
            int kvHead = head - arguments.Heads - cache.KvHeads;
            int source = row * arguments.KvStride + kvHead * cache.HeadSize;
            long target = cache.ValueIndex(block, kvHead, slot);
            for (int d = lane; d < cache.HeadSize; d += Lanes.Count)
            {
                TCache.Store<TPlatform>(cache, target + d, arguments.Value[source + d]);
            }

            return;
        }

        bool isQuery = head < arguments.Heads;
        ArrayView<float> vectors = isQuery ? arguments.Query : arguments.Key;
        ArrayView<float> norm = isQuery ? arguments.QueryNorm : arguments.KeyNorm;
        int first = isQuery ? row * arguments.QueryStride + head * cache.HeadSize : row * arguments.KvStride + (head - arguments.Heads) * cache.HeadSize;
        float scale = 1;
        if (arguments.HasNorm != 0)
        {
            float sum = 0;
            for (int d = lane; d < cache.HeadSize; d += Lanes.Count)
            {
                sum = TPlatform.MultiplyAdd(vectors[first + d], vectors[first + d], sum);
            }

            squares[lane] = sum;
            Group.Barrier();
            float total = Lanes.TreeSum(squares, 0);
            scale = Finite.OrNot(total, 1f / XMath.Sqrt(total / cache.HeadSize + arguments.Epsilon));
        }

        // Each lane takes pairs, then what lies beyond the rotated elements: both elements of a pair belong to one lane.
        int rest = cache.HeadSize - 2 * arguments.Pairs;
        for (int i = lane; i < arguments.Pairs + rest; i += Lanes.Count)
        {
            bool pair = i < arguments.Pairs;
            int d0 = pair ? (arguments.Interleaved != 0 ? 2 * i : i) : i + arguments.Pairs;
            int d1 = pair ? (arguments.Interleaved != 0 ? 2 * i + 1 : i + arguments.Pairs) : d0;
            float x0 = vectors[first + d0];
            float x1 = vectors[first + d1];
            if (arguments.HasNorm != 0)
            {
                x0 = x0 * scale * norm[d0];
                x1 = x1 * scale * norm[d1];
            }

            float y0 = x0, y1 = x1;
            if (pair)
            {
                long rotation = 2 * ((long)position * arguments.Pairs + i);
                float cos = arguments.Rotations[rotation];
                float sin = arguments.Rotations[rotation + 1];
                y0 = TPlatform.MultiplyAdd(x0, cos, -(x1 * sin));
                y1 = TPlatform.MultiplyAdd(x0, sin, x1 * cos);
            }

            if (isQuery)
            {
                vectors[first + d0] = y0;
                vectors[first + d1] = y1;
            }
            else
            {
                long target = cache.KeyIndex(block, head - arguments.Heads, slot);
                TCache.Store<TPlatform>(cache, target + d0 * cache.BlockSize, y0);
                TCache.Store<TPlatform>(cache, target + d1 * cache.BlockSize, y1);
            }
        }
    }
}
