using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>Paged attention of a step: the units of an <see cref="AttentionPlan"/>, then the combination of those that were cut.</summary>
internal sealed unsafe class AttentionWork(DeviceContext context) : ParallelWork, IDisposable
{
    private const float Log2E = 1.44269504f;
    private readonly AttentionPlan _plan = new();
    private readonly ScratchBuffer _states = new();
    private StepBatch _batch = null!;
    private CpuTensor _query = null!;
    private CpuTensor _output = null!;
    private CpuKvCache _cache = null!;
    private AttentionGeometry _geometry;
    private float* _shared;
    private int _layer;
    private readonly WorkShares _units = new(context.Workers, inTurns: true);
    private readonly WorkShares _merges = new(context.Workers);

    /// <summary>A new step begins: block tables have changed.</summary>
    public void Invalidate() => _plan.Invalidate();

    public void Run(StepBatch batch, CpuTensor query, CpuKvCache cache, int layer, AttentionShape shape, CpuTensor output)
    {
        (_batch, _query, _output, _cache, _layer) = (batch, query, output, cache, layer);
        _geometry = new AttentionGeometry(shape, cache.Layout);

        // Rows need no padding then.
        bool canMerge = context.Lanes.Product.HasRuns(_geometry);
        _plan.Build(batch, _geometry, context.Workers, canMerge);
        _shared = (float*)_states.Reserve(_plan.StateFloats * sizeof(float));
        _units.Reset(_plan.UnitCount);
        _merges.Reset(_plan.MergeCount);
        context.Pool.Run(this);
    }

    public override void Execute(int worker)
    {
        int rows = _geometry.MaxUnitRows(context.Lanes.Product.RowMultiple);
        int states = rows * _geometry.StateFloats;
        int queries = rows * _geometry.Shape.HeadSize;
        long floats = rows + queries + 2L * states + _geometry.WorkFloats + 64;
        int* limits = (int*)context.Scratch(worker).Reserve(floats * sizeof(float));
        float* packed = (float*)limits + ((rows + 15) & ~15);
        float* total = packed + ((queries + 15) & ~15);
        float* piece = total + states;
        float* work = piece + states;
        int next;
        while ((next = _units.Next(worker)) >= 0)
        {
            int following = _units.Peek(worker);
            byte* upcoming = following < 0 ? null : Keys(_plan.Units[following], Math.Max(0, _plan.Units[following].Piece));
            Compute(_plan.Units[next], upcoming, limits, packed, total, piece, work);
        }

        if (_plan.MergeCount > 0)
        {
            context.Pool.Barrier();
            while ((next = _merges.Next(worker)) >= 0)
            {
                Combine(_plan.Merges[next], total);
            }
        }
    }

    public void Dispose() => _states.Dispose();

    private int MicroPadded(int rows)
    {
        int multiple = context.Lanes.Product.RowMultiple;
        return (rows + multiple - 1) / multiple * multiple;
    }

    private void Compute(in AttentionUnit unit, byte* upcoming, int* limits, float* packed, float* total, float* piece, float* work)
    {
        SequenceRows sequence = _batch.Sequences[unit.Sequence];
        ReadOnlySpan<int> blocks = _batch.Blocks.Slice(sequence.FirstBlock, sequence.BlockCount);
        int stateFloats = _geometry.StateFloats;
        int rows = unit.Queries * _geometry.Group;
        int padded = MicroPadded(rows);
        for (int h = 0; h < unit.Heads; h++)
        {
            PackQueries(unit, unit.KvHead + h, sequence, limits, packed + (long)h * padded * _geometry.Shape.HeadSize, padded);
        }

        if (unit.Piece >= 0)
        {
            Piece(unit, limits, packed, padded, blocks, unit.Piece, upcoming, piece, work);
            rows *= unit.Heads;
            long bytes = (long)rows * stateFloats * sizeof(float);
            Buffer.MemoryCopy(piece, _shared + unit.State, bytes, bytes);
            return;
        }

        int pieces = _geometry.Pieces(limits[rows - 1] - 1);
        rows *= unit.Heads;
        Piece(unit, limits, packed, padded, blocks, 0, pieces > 1 ? Keys(unit, 1) : upcoming, total, work);
        for (int p = 1; p < pieces; p++)
        {
            Piece(unit, limits, packed, padded, blocks, p, p + 1 < pieces ? Keys(unit, p + 1) : upcoming, piece, work);
            for (int r = 0; r < rows; r++)
            {
                context.Lanes.MergeState(total + (long)r * stateFloats, piece + (long)r * stateFloats, stateFloats);
            }
        }

        Finish(unit, sequence, total);
    }

    private void Piece(in AttentionUnit unit, int* limits, float* packed, int padded, ReadOnlySpan<int> blocks, int index, byte* upcoming, float* states, float* work) =>
        context.Lanes.Attend(new AttentionPiece
        {
            Geometry = _geometry,
            Cache = _cache,
            Layer = _layer,
            KvHead = unit.KvHead,
            Heads = unit.Heads,
            Rows = padded,
            Queries = packed,
            Limits = limits,
            Blocks = blocks,
            Index = index,
            Upcoming = upcoming,
            States = states,
            Work = work,
        });

    private void Combine(in AttentionUnit merge, float* total)
    {
        int rows = merge.Heads * merge.Queries * _geometry.Group;
        int stateFloats = _geometry.StateFloats;
        long tile = (long)rows * stateFloats;
        Buffer.MemoryCopy(_shared + merge.State, total, tile * sizeof(float), tile * sizeof(float));
        for (int p = 1; p < merge.Piece; p++)
        {
            for (int r = 0; r < rows; r++)
            {
                context.Lanes.MergeState(total + (long)r * stateFloats, _shared + merge.State + p * tile + (long)r * stateFloats, stateFloats);
            }
        }

        Finish(merge, _batch.Sequences[merge.Sequence], total);
    }

    /// <summary>First keys of a piece.</summary>
    private byte* Keys(in AttentionUnit unit, int piece) => _cache.Keys(
        _layer, _batch.Blocks[_batch.Sequences[unit.Sequence].FirstBlock + piece * _geometry.PieceBlocks], unit.KvHead);

    /// <summary>Rows by query position, then head; scaled by 1/√headSize, by log2 e for a softmax in powers of two.</summary>
    private void PackQueries(in AttentionUnit unit, int kvHead, in SequenceRows sequence, int* limits, float* packed, int padded)
    {
        int headSize = _geometry.Shape.HeadSize;
        int group = _geometry.Group;
        float scale = Log2E / MathF.Sqrt(headSize);
        for (int r = 0; r < padded; r++)
        {
            int query = unit.FirstQuery + r / group;
            if (r >= unit.Queries * group)
            {
                limits[r] = 0;
                new Span<float>(packed + r * headSize, headSize).Clear();
                continue;
            }

            limits[r] = sequence.FirstPosition + query + 1;
            float* source = _query.Row(sequence.FirstRow + query) + (kvHead * group + r % group) * headSize;
            context.Lanes.Scale(source, scale, headSize, packed + r * headSize);
            if (_geometry.Layout.Type == KvType.Q8)
            {
                context.Lanes.QuantizeQuery(packed + r * headSize, headSize);
            }
        }
    }

    private void Finish(in AttentionUnit unit, in SequenceRows sequence, float* states)
    {
        int group = _geometry.Group;
        int headSize = _geometry.Shape.HeadSize;
        int rows = unit.Queries * group;
        for (int r = 0; r < unit.Heads * rows; r++)
        {
            int head = (unit.KvHead + r / rows) * group + r % group;
            float* output = _output.Row(sequence.FirstRow + unit.FirstQuery + r % rows / group) + head * headSize;
            context.Lanes.FinishState(states + (long)r * _geometry.StateFloats, headSize, output);
        }
    }
}
