using System.Reflection;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.OpenCL;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels.Tests.Ilgpu;

/// <summary>What happens around the kernels: failures, events, memory.</summary>
public sealed class IlgpuRuntimeTests
{
    [Fact]
    public void AnyCall_AfterTheDeviceFailed_SaysSoAndTheProcessGoesOn()
    {
        (IlgpuDevice device, IlgpuRuntime runtime) = Open();
        using Tensor tensor = device.AllocateTensor(1, 4);
        var first = Assert.Throws<DeviceException>(() => runtime.Guard<int>(() => throw new CLException(CLError.CL_OUT_OF_RESOURCES)));
        Assert.Contains("CL_OUT_OF_RESOURCES", first.Message, StringComparison.Ordinal);

        var later = Assert.Throws<DeviceException>(() => device.Read(tensor, 0, 1, new float[4]));
        Assert.Contains("has failed before: CL_OUT_OF_RESOURCES", later.Message, StringComparison.Ordinal);
        Assert.Throws<DeviceException>(() => device.AllocateTensor(1, 4));
        device.Dispose();
    }

    [Fact]
    public async Task Record_AfterWork_CompletesAndCanBeWaitedForFromAnyThread()
    {
        (IlgpuDevice device, _) = Open();
        using (device)
        {
            using Tensor tensor = device.AllocateTensor(2, 40);
            using DeviceEvent done = device.Record();
            await Task.Run(done.Wait, TestContext.Current.CancellationToken);
            Assert.True(done.IsComplete);
        }
    }

    [Fact]
    public void FreeMemoryBytes_AfterAllocation_IsLessByAsMuch()
    {
        (IlgpuDevice device, IlgpuRuntime runtime) = Open();
        using (device)
        {
            long before = runtime.AllocatedBytes;
            KvCache cache = device.AllocateKvCache(new KvLayout(1, 1, 8), 10);
            Assert.Equal(before + 10 * cache.Layout.BlockBytesAllLayers, runtime.AllocatedBytes);
            cache.Dispose();
            cache.Dispose();
            Assert.Equal(before, runtime.AllocatedBytes);
        }
    }

    [Fact]
    public void Shapes_BeyondWhatTheKernelsTake_Throw()
    {
        (IlgpuDevice device, _) = Open();
        using (device)
        {
            var batch = new StepBatch(1, 1);
            batch.AddSequence([0], 0, [0], 32, 0);
            device.BeginStep(batch);
            Assert.Throws<NotSupportedException>(() => device.AllocateKvCache(new KvLayout(1, 1, 512), 1));
            using KvCache cache = device.AllocateKvCache(new KvLayout(1, 1, 8), 2);
            using Tensor many = device.AllocateTensor(1, 20 * 8);
            Assert.Throws<ArgumentException>(() => device.Attention(many, cache, 0, new AttentionShape(20, 1, 8), many));
        }
    }

    [Fact]
    public void Free_WhatTheLostDeviceCannotFree_DoesNotThrowAndLaterCallsSaySo()
    {
        (IlgpuDevice device, IlgpuRuntime runtime) = Open();
        runtime.Free(new Lost());

        var later = Assert.Throws<DeviceException>(() => device.AllocateTensor(1, 4));
        Assert.Contains("has failed before: CL_OUT_OF_RESOURCES", later.Message, StringComparison.Ordinal);
        device.Dispose();
    }

    [Fact]
    public void Load_WhatTheDeviceCannotRun_ThrowsDeviceException()
    {
        (IlgpuDevice device, IlgpuRuntime runtime) = Open();
        using (device)
        {
            var method = typeof(IlgpuRuntimeTests).GetMethod(nameof(NoKernel), BindingFlags.Static | BindingFlags.NonPublic)!;
            var e = Assert.Throws<DeviceException>(() => runtime.Load<Action<AcceleratorStream, KernelConfig, int>>(method));
            Assert.Contains($"cannot run the kernel {nameof(NoKernel)}: ", e.Message, StringComparison.Ordinal);
        }
    }

    // Objects are beyond every kernel.
    private static void NoKernel(int count) => GC.KeepAlive(new List<int>(count));

    private static (IlgpuDevice Device, IlgpuRuntime Runtime) Open()
    {
        var hardware = new CPUDevice(4, 8, 1);
        var runtime = new IlgpuRuntime(IlgpuDevices.Build(builder => builder.CPU(hardware)), hardware);
        return (new IlgpuDevice("ilgpu-cpu", runtime, KernelTuning.For(AcceleratorType.CPU)), runtime);
    }

    private sealed class Lost : IDisposable
    {
        public void Dispose() => throw new CLException(CLError.CL_OUT_OF_RESOURCES);
    }
}
