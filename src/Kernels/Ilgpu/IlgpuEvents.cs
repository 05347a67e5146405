using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>A CUDA event in the compute stream.</summary>
internal sealed class CudaDeviceEvent : DeviceEvent
{
    private readonly IlgpuRuntime _runtime;
    private nint _event;

    public CudaDeviceEvent(IlgpuRuntime runtime)
    {
        _runtime = runtime;
        runtime.Guard(() =>
        {
            CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.CreateEvent(out _event, CudaEventFlags.CU_EVENT_DISABLE_TIMING));
            CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.RecordEvent(_event, ((CudaStream)runtime.Compute).StreamPtr));
            return 0;
        });
    }

    public override bool IsComplete => _runtime.Guard(() =>
    {
        CudaError state = CudaAPI.CurrentAPI.QueryEvent(_event);
        if (state == CudaError.CUDA_ERROR_NOT_READY)
        {
            return false;
        }

        CudaException.ThrowIfFailed(state);
        return true;
    });

    public override void Wait() => _runtime.Guard(() =>
    {
        CudaException.ThrowIfFailed(CudaAPI.CurrentAPI.SynchronizeEvent(_event));
        return 0;
    });

    public override void Dispose()
    {
        nint old = Interlocked.Exchange(ref _event, 0);
        if (old != 0 && !_runtime.HasFailed)
        {
            _runtime.Guard(() => CudaAPI.CurrentAPI.DestroyEvent(old));
        }
    }
}

/// <summary>
/// An event where ILGPU offers none that can be asked: waiting for it waits for the compute stream, and asking starts such a
/// wait in the background. The CPU accelerator has finished whatever it was given.
/// </summary>
internal sealed class StreamEvent(IlgpuRuntime runtime) : DeviceEvent
{
    private readonly Lazy<Task> _wait = new(() => runtime.Accelerator.AcceleratorType == AcceleratorType.CPU
        ? Task.CompletedTask
        : Task.Run(() => runtime.Wait(runtime.Compute)));

    public override bool IsComplete => _wait.Value.IsCompletedSuccessfully || Failed();

    public override void Wait() => _wait.Value.GetAwaiter().GetResult();

    public override void Dispose()
    {
    }

    private bool Failed()
    {
        if (_wait.Value.IsFaulted)
        {
            Wait();
        }

        return false;
    }
}
