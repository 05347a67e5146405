namespace ServingGrid.Kernels.Ilgpu;

/// <summary>What an intermediate result is for: two that are alive at the same time differ in it.</summary>
internal enum Scratch
{
    Normed,
    Gate,
    Up,
}

/// <summary>Intermediate results inside an operation, kept from step to step. Used by the engine's thread alone.</summary>
internal sealed class ScratchTensors(IlgpuRuntime runtime, Func<int, int, IlgpuTensor> allocate) : IDisposable
{
    private readonly Dictionary<(Scratch, int Columns), IlgpuTensor> _tensors = [];

    /// <summary>A tensor of at least so many rows. Its padding is zero; the rest is what was left there.</summary>
    public IlgpuTensor Rent(Scratch purpose, int rows, int columns)
    {
        if (_tensors.TryGetValue((purpose, columns), out IlgpuTensor? tensor))
        {
            if (tensor.Rows >= rows)
            {
                return tensor;
            }

            runtime.Wait(runtime.Compute);
            tensor.Dispose();
        }

        return _tensors[(purpose, columns)] = allocate(rows, columns);
    }

    public void Dispose()
    {
        foreach (IlgpuTensor tensor in _tensors.Values)
        {
            tensor.Dispose();
        }
    }
}
