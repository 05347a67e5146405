using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>
/// The gated feed-forward layer: input += Down · h with h = silu(Gate · n) ⊙ (Up · n) and n = rmsnorm(input).
/// </summary>
/// <remarks>
/// A unit is some spans of 32 hidden columns: two panels of Gate and two of Up, whose results meet in working memory, are combined there and
/// leave it in the form that Down's kernel takes: a span is one of its blocks.
/// </remarks>
internal sealed unsafe class FeedForwardWork(DeviceContext context) : ParallelWork, IDisposable
{
    private const int SpanColumns = PanelLayout.BlockColumns;
    private const int SpanPanels = SpanColumns / PanelLayout.Rows;
    private readonly ActivationSource _source = new(context.Lanes, context.Workers);
    private readonly ActivationSource _hidden = new(context.Lanes, context.Workers);
    private readonly PanelProducts _down = new(context.Workers);
    private readonly WorkShares _units = new(context.Workers);
    private CpuTensor? _hiddenRows;
    private CpuMatrix _gate = null!;
    private CpuMatrix _up = null!;
    private bool _quantizes;
    private int _unitSpans;
    private int _spans;

    /// <param name="residual">Input, and where the result is added.</param>
    /// <param name="norm">RMS norm.</param>
    /// <param name="epsilon">Of the norm.</param>
    /// <param name="rows">Rows of the residual.</param>
    /// <param name="maxRows">Most rows that will ever come, as far as is known.</param>
    /// <param name="gate">Gate.</param>
    /// <param name="up">Up.</param>
    /// <param name="down">Down.</param>
    public void Run(CpuTensor residual, CpuVector norm, float epsilon, int rows, int maxRows, CpuMatrix gate, CpuMatrix up, CpuMatrix down)
    {
        (_gate, _up, _quantizes) = (gate, up, down.Kernel.Quantized);
        bool quantized = gate.Kernel.Quantized || up.Kernel.Quantized;
        bool floats = !gate.Kernel.Quantized || !up.Kernel.Quantized;
        _source.Begin(residual, norm, epsilon, rows, quantized, floats);
        BeginHidden(rows, maxRows);
        _spans = (gate.Rows + SpanColumns - 1) / SpanColumns;
        _unitSpans = WorkSplit.PanelsPerUnit(_spans, context.Workers, 2 * SpanPanels * gate.PanelBytes);
        _units.Reset((_spans + _unitSpans - 1) / _unitSpans);
        _down.Clear();
        _down.Add(down, null, residual);
        _down.Begin(accumulate: true);
        context.Pool.Run(this);
    }

    public override void Execute(int worker)
    {
        if (_units.Peek(worker) is var first and >= 0)
        {
            Prefetch.Lines(_gate.Panel(first * _unitSpans * SpanPanels), Prefetch.Burst);
        }

        _source.Prepare(worker, default);
        context.Pool.Barrier();
        int width = _unitSpans * SpanColumns;
        float* gated = (float*)context.Scratch(worker).Reserve(2L * ActivationLayout.TileRows * width * sizeof(float));
        int tiles = ActivationLayout.TileCount(_source.Rows);
        int unit;
        while ((unit = _units.Next(worker)) >= 0)
        {
            int end = Math.Min((unit + 1) * _unitSpans, _spans);
            int step = WorkSplit.PassPanels(tiles, _unitSpans, 1);
            for (int span = unit * _unitSpans; span < end; span += step)
            {
                Spans(span, Math.Min(step, end - span), tiles, gated, gated + ActivationLayout.TileRows * width);
            }
        }

        _down.Warm(worker);
        context.Pool.Barrier();
        _down.Multiply(worker, _hidden);
    }

    public void Dispose()
    {
        _source.Dispose();
        _hidden.Dispose();
        _hiddenRows?.Dispose();
    }

    /// <summary>Room for the hidden layer.</summary>
    private void BeginHidden(int rows, int maxRows)
    {
        if (_quantizes)
        {
            _hidden.BeginQuantized(rows, _gate.Rows);
            return;
        }

        if (_hiddenRows is null || _hiddenRows.Columns != _gate.Rows || _hiddenRows.Rows < rows)
        {
            _hiddenRows?.Dispose();
            _hiddenRows = new CpuTensor(Math.Max(rows, maxRows), _gate.Rows);
        }

        _hidden.Begin(_hiddenRows, null, 0, rows, false, true);
    }

    /// <summary>Some spans of the hidden layer, for all rows.</summary>
    private void Spans(int first, int count, int tiles, float* gated, float* upward)
    {
        int firstPanel = first * SpanPanels;
        int panels = Math.Min(count * SpanPanels, _gate.Panels - firstPanel);
        int width = panels * PanelLayout.Rows;
        nint ahead = WorkSplit.Ahead(tiles, panels * _gate.PanelBytes);
        nint upAhead = WorkSplit.Ahead(tiles, panels * _up.PanelBytes);
        for (int tile = 0; tile < tiles; tile++)
        {
            ActivationTile activations = _source.Tile(tile, _gate.Kernel);
            _gate.Kernel.Multiply(_gate.Panel(firstPanel), panels, _gate.Columns, activations, new ProductOutput(gated, width, false), ahead);
            _up.Kernel.Multiply(_up.Panel(firstPanel), panels, _up.Columns, _source.Tile(tile, _up.Kernel), new ProductOutput(upward, width, false), upAhead);
            for (int t = 0; t < activations.Rows; t++)
            {
                float* row = gated + t * width;
                if (_quantizes)
                {
                    context.Lanes.GatedActivation(row, upward + t * width, width, row);
                    byte* record = _hidden.QuantizedTile(tile) + first * ActivationLayout.BlockBytes * activations.Rows;
                    context.Lanes.QuantizeRow(row, width, record, t, activations.Rows);
                }
                else
                {
                    // A row of the tensor has room for whole panels.
                    float* output = _hiddenRows!.Row(tile * ActivationLayout.TileRows + t) + firstPanel * PanelLayout.Rows;
                    context.Lanes.GatedActivation(row, upward + t * width, width, output);
                }
            }
        }
    }
}
