using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>A device that is opened once for all the tests of a class: kernels are compiled when a device is opened.</summary>
public sealed class SharedDevice : IDisposable
{
    private readonly Lock _lock = new();
    private IlgpuDevice? _device;

    internal IlgpuDevice Get(Func<IlgpuDevice> open)
    {
        lock (_lock)
        {
            return _device ??= open();
        }
    }

    public void Dispose() => _device?.Dispose();
}

/// <summary>The suite as ILGPU's devices take it: F32 arithmetic on dequantised weights, so one tolerance for every type.</summary>
public abstract class IlgpuSuite(SharedDevice shared) : DeviceSuite
{
    private protected abstract IlgpuDevice Open();

    protected override bool DisposeDevice => false;

    protected override Device CreateDevice() => shared.Get(Open);

    protected override double ProductTolerance(GgmlType type) => 2e-5;
}
