using ServingGrid.Kernels.Cpu.Elementwise;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>Head norm, RoPE and the write of keys and values into the cache; workers take a share of the rows each.</summary>
internal sealed unsafe class RopeAppendWork(DeviceContext context) : ParallelWork
{
    private StepBatch _batch = null!;
    private CpuTensor _query = null!;
    private CpuTensor _key = null!;
    private CpuTensor _value = null!;
    private AttentionShape _shape;
    private CpuRopeTable _rope = null!;
    private HeadNorm? _norm;
    private CpuKvCache _cache = null!;
    private int _layer;
    private int _shares;

    public void Run(
        StepBatch batch, CpuTensor query, CpuTensor key, CpuTensor value, AttentionShape shape, CpuRopeTable rope, HeadNorm? norm, CpuKvCache cache, int layer)
    {
        (_batch, _query, _key, _value, _shape) = (batch, query, key, value, shape);
        (_rope, _norm, _cache, _layer) = (rope, norm, cache, layer);

        // A row takes about a microsecond: two are not worth waking anyone.
        _shares = batch.RowCount <= 2 ? 1 : context.Workers;
        if (_shares == 1)
        {
            Execute(0);
        }
        else
        {
            context.Pool.Run(this);
        }
    }

    public override void Execute(int worker)
    {
        ReadOnlySpan<int> positions = _batch.Positions;
        ReadOnlySpan<int> sequences = _batch.RowSequence;
        KvLayout layout = _cache.Layout;
        int headSize = _shape.HeadSize;
        int end = (int)((long)positions.Length * (worker + 1) / _shares);
        for (int r = (int)((long)positions.Length * worker / _shares); r < end; r++)
        {
            int position = positions[r];
            SequenceRows sequence = _batch.Sequences[sequences[r]];
            byte* block = _cache.Block(_layer, _batch.Blocks[sequence.FirstBlock + position / layout.BlockSize]);
            for (int head = 0; head < _shape.Heads; head++)
            {
                Turn(_query.Row(r) + head * headSize, _norm?.Query, position);
            }

            for (int head = 0; head < _shape.KvHeads; head++)
            {
                float* key = _key.Row(r) + head * headSize;
                Turn(key, _norm?.Key, position);
                context.Lanes.AppendKv(key, _value.Row(r) + head * headSize, layout, block, head, position % layout.BlockSize);
            }
        }
    }

    private void Turn(float* head, Vector? norm, int position)
    {
        if (norm is not null)
        {
            context.Lanes.RmsNorm(head, ((CpuVector)norm).Data, _norm!.Epsilon, _shape.HeadSize, head);
        }

        Rope.Rotate(head, _rope, position);
    }
}
