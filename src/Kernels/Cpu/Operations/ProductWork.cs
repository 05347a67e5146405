using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>
/// One or more matrix products over the same input, stored or added to the output:
/// prepare the activations, barrier, then panels in the order in which workers come for them.
/// </summary>
internal sealed unsafe class ProductWork(DeviceContext context) : ParallelWork, IDisposable
{
    private readonly ActivationSource _source = new(context.Lanes, context.Workers);
    private readonly Target[] _targets = new Target[8];
    private int _targetCount;
    private int _unitPanels;
    private int _units;
    private bool _accumulate;
    private StepBatch? _sampled;
    private WorkCounter _counter;

    /// <summary>Most products that share an input.</summary>
    public int Capacity => _targets.Length;

    /// <summary>Empties the list of products.</summary>
    public ProductWork Clear()
    {
        _targetCount = 0;
        return this;
    }

    public void Add(CpuMatrix weights, CpuVector? bias, CpuTensor output) => _targets[_targetCount++] = new Target(weights, bias, output);

    /// <summary>Computes all products that were added.</summary>
    /// <param name="input">Activations.</param>
    /// <param name="norm">RMS norm to apply first, or null.</param>
    /// <param name="epsilon">Of the norm.</param>
    /// <param name="rows">Rows of the input, or of the list of sampled rows.</param>
    /// <param name="sampled">If given, row i of the input is its sampled row i.</param>
    /// <param name="accumulate">Adds to the outputs.</param>
    public void Run(CpuTensor input, CpuVector? norm, float epsilon, int rows, StepBatch? sampled, bool accumulate)
    {
        (_sampled, _accumulate) = (sampled, accumulate);
        bool quantized = false;
        bool floats = false;
        int panels = 0;
        for (int i = 0; i < _targetCount; i++)
        {
            quantized |= _targets[i].Weights.Kernel.Quantized;
            floats |= !_targets[i].Weights.Kernel.Quantized;
            panels += _targets[i].Weights.Panels;
        }

        // Rows picked from the input are copied even without a norm: kernels read rows side by side. All callers have one.
        _source.Begin(input, norm, epsilon, rows, quantized, floats);
        _unitPanels = WorkSplit.PanelsPerUnit(panels, context.Workers, _targets[0].Weights.PanelBytes);
        _units = 0;
        for (int i = 0; i < _targetCount; i++)
        {
            _units += (_targets[i].Weights.Panels + _unitPanels - 1) / _unitPanels;
        }

        _counter.Reset();
        context.Pool.Run(this);
    }

    public override void Execute(int worker)
    {
        _source.Prepare(worker, _sampled is null ? default : _sampled.SampledRows);
        context.Pool.Barrier();
        float* scratch = (float*)context.Scratch(worker).Reserve((long)ActivationLayout.TileRows * _unitPanels * PanelLayout.Rows * sizeof(float));
        int unit;
        while ((unit = _counter.Next()) < _units)
        {
            int target = 0;
            int count;
            while (unit >= (count = (_targets[target].Weights.Panels + _unitPanels - 1) / _unitPanels))
            {
                unit -= count;
                target++;
            }

            Multiply(_targets[target], unit * _unitPanels, scratch);
        }
    }

    public void Dispose() => _source.Dispose();

    private void Multiply(in Target target, int firstPanel, float* scratch)
    {
        CpuMatrix weights = target.Weights;
        int panels = Math.Min(_unitPanels, weights.Panels - firstPanel);
        int firstColumn = firstPanel * PanelLayout.Rows;
        int columns = Math.Min(panels * PanelLayout.Rows, weights.Rows - firstColumn);
        for (int tile = 0; tile < ActivationLayout.TileCount(_source.Rows); tile++)
        {
            ActivationTile activations = _source.Tile(tile, weights.Kernel);
            float* output = target.Output.Row(tile * ActivationLayout.TileRows) + firstColumn;
            if (_accumulate)
            {
                // A panel's missing rows are zeros, and an output's row has room for whole panels.
                nint stride = panels * PanelLayout.Rows;
                weights.Kernel.Multiply(weights.Panel(firstPanel), panels, weights.Columns, activations, scratch, stride);
                for (int t = 0; t < activations.Rows; t++)
                {
                    Add(output + (nint)t * target.Output.Stride, scratch + t * stride, columns);
                }
            }
            else
            {
                weights.Kernel.Multiply(weights.Panel(firstPanel), panels, weights.Columns, activations, output, target.Output.Stride);
            }

            for (int t = 0; target.Bias is not null && t < activations.Rows; t++)
            {
                Add(output + (nint)t * target.Output.Stride, target.Bias.Data + firstColumn, columns);
            }
        }
    }

    private static void Add(float* to, float* from, int count)
    {
        int i = 0;
        for (; i + System.Numerics.Vector<float>.Count <= count; i += System.Numerics.Vector<float>.Count)
        {
            System.Numerics.Vector.Store(System.Numerics.Vector.Load(to + i) + System.Numerics.Vector.Load(from + i), to + i);
        }

        for (; i < count; i++)
        {
            to[i] += from[i];
        }
    }

    private readonly record struct Target(CpuMatrix Weights, CpuVector? Bias, CpuTensor Output);
}
