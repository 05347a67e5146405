using ILGPU;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Integers that a step needs on the device: written into page-locked memory, then uploaded in one copy that does not wait.
/// Used by the engine's thread alone.
/// </summary>
internal sealed class StagedInts(IlgpuRuntime runtime) : IDisposable
{
    private PageLockedArray1D<int>? _host;
    private DeviceBuffer<int>? _device;
    private bool _inFlight;

    /// <summary>Room for <paramref name="count"/> integers; waits if the upload before is still under way.</summary>
    public Span<int> Reserve(int count)
    {
        if (_inFlight)
        {
            runtime.Wait(runtime.Compute);
            _inFlight = false;
        }

        if (_host is null || _host.Length < count)
        {
            Dispose();
            int capacity = Math.Max(1024, count + count / 2);
            _host = runtime.AllocateStaging<int>(capacity);
            _device = runtime.Allocate<int>(capacity);
        }

        return _host.Span[..count];
    }

    /// <summary>Starts the upload of the first <paramref name="count"/> integers and returns them as the device sees them.</summary>
    public ArrayView<int> Upload(int count)
    {
        ArrayView<int> target = _device!.View.SubView(0, Math.Max(1, count));
        runtime.UploadAsync(runtime.Compute, ref _host!.GetArray()[0], target);
        _inFlight = true;
        return target;
    }

    /// <summary>Says that the compute stream has been waited for.</summary>
    public void Settled() => _inFlight = false;

    public void Dispose()
    {
        runtime.Free(_host);
        _device?.Dispose();
        _host = null;
        _device = null;
    }
}
