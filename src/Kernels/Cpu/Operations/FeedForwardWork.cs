using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>
/// The gated hidden layer: silu(Gate · n) ⊙ (Up · n) with n = rmsnorm(input), as a tensor.
/// </summary>
/// <remarks>
/// A unit is some spans of 32 hidden columns: two panels of Gate and two of Up, whose results meet in working memory, are
/// combined there and stored.
/// </remarks>
internal sealed unsafe class FeedForwardWork(DeviceContext context) : ParallelWork, IDisposable
{
    private const int SpanColumns = PanelLayout.BlockColumns;
    private const int SpanPanels = SpanColumns / PanelLayout.Rows;
    private readonly ActivationSource _source = new(context.Lanes, context.Workers);
    private CpuMatrix _gate = null!;
    private CpuMatrix _up = null!;
    private CpuTensor _hidden = null!;
    private int _unitSpans;
    private int _spans;
    private WorkCounter _counter;

    public void Run(CpuTensor input, CpuVector norm, float epsilon, int rows, CpuMatrix gate, CpuMatrix up, CpuTensor hidden)
    {
        (_gate, _up, _hidden) = (gate, up, hidden);
        bool quantized = gate.Kernel.Quantized || up.Kernel.Quantized;
        bool floats = !gate.Kernel.Quantized || !up.Kernel.Quantized;
        _source.Begin(input, norm, epsilon, rows, quantized, floats);
        _spans = (gate.Rows + SpanColumns - 1) / SpanColumns;
        _unitSpans = WorkSplit.PanelsPerUnit(_spans, context.Workers, 2 * SpanPanels * gate.PanelBytes);
        _counter.Reset();
        context.Pool.Run(this);
    }

    public override void Execute(int worker)
    {
        _source.Prepare(worker, default);
        context.Pool.Barrier();
        int width = _unitSpans * SpanColumns;
        float* gated = (float*)context.Scratch(worker).Reserve(2L * ActivationLayout.TileRows * width * sizeof(float));
        float* upward = gated + ActivationLayout.TileRows * width;
        int unit;
        while ((unit = _counter.Next() * _unitSpans) < _spans)
        {
            int firstPanel = unit * SpanPanels;
            int panels = Math.Min(_unitSpans * SpanPanels, _gate.Panels - firstPanel);
            for (int tile = 0; tile < ActivationLayout.TileCount(_source.Rows); tile++)
            {
                ActivationTile activations = _source.Tile(tile, _gate.Kernel);
                _gate.Kernel.Multiply(_gate.Panel(firstPanel), panels, _gate.Columns, activations, gated, width);
                _up.Kernel.Multiply(_up.Panel(firstPanel), panels, _up.Columns, _source.Tile(tile, _up.Kernel), upward, width);
                for (int t = 0; t < activations.Rows; t++)
                {
                    // A row of the tensor has room for whole panels.
                    float* output = _hidden.Row(tile * ActivationLayout.TileRows + t) + firstPanel * PanelLayout.Rows;
                    context.Lanes.GatedActivation(gated + t * width, upward + t * width, panels * PanelLayout.Rows, output);
                }
            }
        }
    }

    public void Dispose() => _source.Dispose();
}
