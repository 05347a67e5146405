using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>The largest logits of each row; workers take rows.</summary>
internal sealed unsafe class TopCandidatesWork(DeviceContext context) : ParallelWork
{
    private CpuTensor _logits = null!;
    private int[] _ids = [];
    private float[] _values = [];
    private int _rows;
    private int _count;
    private WorkCounter _counter;

    public void Run(CpuTensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        (_logits, _rows, _count) = (logits, rows, count);
        if (rows == 1)
        {
            context.Lanes.TopCandidates(logits.Data, logits.Columns, ids[..count], values[..count]);
            return;
        }

        if (_ids.Length < rows * count)
        {
            (_ids, _values) = (new int[rows * count], new float[rows * count]);
        }

        _counter.Reset();
        context.Pool.Run(this);
        _ids.AsSpan(0, rows * count).CopyTo(ids);
        _values.AsSpan(0, rows * count).CopyTo(values);
    }

    public override void Execute(int worker)
    {
        int row;
        while ((row = _counter.Next()) < _rows)
        {
            context.Lanes.TopCandidates(_logits.Row(row), _logits.Columns, _ids.AsSpan(row * _count, _count), _values.AsSpan(row * _count, _count));
        }
    }
}
