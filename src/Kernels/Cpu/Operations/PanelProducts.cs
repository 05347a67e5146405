using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>Matrix products with one input, panel by panel in the order in which workers come for them.</summary>
/// <remarks><see cref="Clear"/>, <see cref="Add"/> and <see cref="Begin"/> before a run, the others inside it.</remarks>
internal sealed unsafe class PanelProducts(int workers)
{
    private readonly Target[] _targets = new Target[8];
    private readonly WorkShares _units = new(workers);
    private int _unitPanels;
    private bool _accumulate;

    /// <summary>Most products that share an input.</summary>
    public int Capacity => _targets.Length;

    public int Count { get; private set; }

    /// <summary>Empties the list of products.</summary>
    public void Clear() => Count = 0;

    public void Add(CpuMatrix weights, CpuVector? bias, CpuTensor output) => _targets[Count++] = new Target(weights, bias, output);

    /// <summary>True if some kernel takes quantised activations (or F32, if <paramref name="quantized"/> is false).</summary>
    public bool Wants(bool quantized)
    {
        foreach (ref readonly Target target in _targets.AsSpan(0, Count))
        {
            if (target.Weights.Kernel.Quantized == quantized)
            {
                return true;
            }
        }

        return false;
    }

    /// <param name="accumulate">Adds to the outputs.</param>
    public void Begin(bool accumulate)
    {
        _accumulate = accumulate;
        int panels = 0;
        foreach (ref readonly Target target in _targets.AsSpan(0, Count))
        {
            panels += target.Weights.Panels;
        }

        _unitPanels = WorkSplit.PanelsPerUnit(panels, workers, _targets[0].Weights.PanelBytes);
        int units = 0;
        foreach (ref readonly Target target in _targets.AsSpan(0, Count))
        {
            units += Units(target);
        }

        _units.Reset(units);
    }

    /// <summary>Asks for the first weights of a worker's share, while the activations are still being prepared.</summary>
    public void Warm(int worker)
    {
        if (_units.Peek(worker) is var unit and >= 0)
        {
            ref readonly Target target = ref Locate(ref unit);
            Prefetch.Lines(target.Weights.Panel(unit * _unitPanels), Prefetch.Burst);
        }
    }

    public void Multiply(int worker, ActivationSource source)
    {
        int unit;
        while ((unit = _units.Next(worker)) >= 0)
        {
            ref readonly Target target = ref Locate(ref unit);
            int first = unit * _unitPanels;
            int end = Math.Min(first + _unitPanels, target.Weights.Panels);
            int step = WorkSplit.PassPanels(ActivationLayout.TileCount(source.Rows), end - first, 1);
            for (int panel = first; panel < end; panel += step)
            {
                Multiply(target, panel, Math.Min(step, end - panel), source);
            }
        }
    }

    private int Units(in Target target) => (target.Weights.Panels + _unitPanels - 1) / _unitPanels;

    /// <summary>The product that a unit belongs to; the unit is then counted within it.</summary>
    private ref readonly Target Locate(ref int unit)
    {
        int target = 0;
        int count;
        while (unit >= (count = Units(_targets[target])))
        {
            unit -= count;
            target++;
        }

        return ref _targets[target];
    }

    private void Multiply(in Target target, int firstPanel, int panels, ActivationSource source)
    {
        CpuMatrix weights = target.Weights;
        int firstColumn = firstPanel * PanelLayout.Rows;
        int columns = Math.Min(panels * PanelLayout.Rows, weights.Rows - firstColumn);
        int tiles = ActivationLayout.TileCount(source.Rows);
        nint ahead = WorkSplit.Ahead(tiles, panels * weights.PanelBytes);
        for (int tile = 0; tile < tiles; tile++)
        {
            // A panel's missing rows are zeros, and an output's row has room for whole panels.
            ActivationTile activations = source.Tile(tile, weights.Kernel);
            float* output = target.Output.Row(tile * ActivationLayout.TileRows) + firstColumn;
            weights.Kernel.Multiply(
                weights.Panel(firstPanel), panels, weights.Columns, activations, new ProductOutput(output, target.Output.Stride, _accumulate), ahead);
            for (int t = 0; target.Bias is not null && t < activations.Rows; t++)
            {
                AddBias(output + (nint)t * target.Output.Stride, target.Bias.Data + firstColumn, columns);
            }
        }
    }

    private static void AddBias(float* to, float* bias, int count)
    {
        int i = 0;
        for (; i + System.Numerics.Vector<float>.Count <= count; i += System.Numerics.Vector<float>.Count)
        {
            System.Numerics.Vector.Store(System.Numerics.Vector.Load(to + i) + System.Numerics.Vector.Load(bias + i), to + i);
        }

        for (; i < count; i++)
        {
            to[i] += bias[i];
        }
    }

    private readonly record struct Target(CpuMatrix Weights, CpuVector? Bias, CpuTensor Output);
}
