using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>One or more matrix products over the same input, stored or added to the output: prepare the activations, barrier, multiply.</summary>
internal sealed class ProductWork(DeviceContext context) : ParallelWork, IDisposable
{
    private readonly ActivationSource _source = new(context.Lanes, context.Workers);
    private StepBatch? _sampled;

    /// <summary>The products.</summary>
    public PanelProducts Products { get; } = new(context.Workers);

    /// <summary>Computes all <see cref="Products"/>.</summary>
    /// <param name="input">Activations.</param>
    /// <param name="norm">RMS norm to apply first, or null.</param>
    /// <param name="epsilon">Of the norm.</param>
    /// <param name="rows">Rows of the input, or of the list of sampled rows.</param>
    /// <param name="sampled">If given, row i of the input is its sampled row i.</param>
    /// <param name="accumulate">Adds to the outputs.</param>
    public void Run(CpuTensor input, CpuVector? norm, float epsilon, int rows, StepBatch? sampled, bool accumulate)
    {
        // Rows picked from the input are copied even without a norm: kernels read rows side by side. All callers have one.
        _sampled = sampled;
        _source.Begin(input, norm, epsilon, rows, Products.Wants(quantized: true), Products.Wants(quantized: false));
        Products.Begin(accumulate);
        context.Pool.Run(this);
    }

    public override void Execute(int worker)
    {
        Products.Warm(worker);
        _source.Prepare(worker, _sampled is null ? default : _sampled.SampledRows);
        context.Pool.Barrier();
        Products.Multiply(worker, _source);
    }

    public void Dispose() => _source.Dispose();
}
