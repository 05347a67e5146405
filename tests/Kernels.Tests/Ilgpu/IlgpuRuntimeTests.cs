using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.OpenCL;
using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Model.Gguf;

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
    public void Misuse_WrongShapes_ThrowsArgumentExceptionAndTheDeviceStaysInService()
    {
        (IlgpuDevice device, _) = Open();
        using (device)
        {
            using Matrix matrix = device.LoadMatrix(TensorData.FromFloats("test", 4, 8, new float[32]));
            using Tensor narrow = device.AllocateTensor(1, 7);
            using Tensor output = device.AllocateTensor(1, 4);
            var batch = new StepBatch(1, 1);
            batch.AddSequence([0], 0, [0], 32, 0);
            device.BeginStep(batch);
            Assert.Throws<ArgumentException>(() => device.ResidualProjection(narrow, matrix, null, output));
            Assert.Throws<ArgumentException>(() => device.AllocateKvCache(new KvLayout(1, 1, 512), 1));
            using KvCache cache = device.AllocateKvCache(new KvLayout(1, 1, 8), 2);
            using Tensor many = device.AllocateTensor(1, 20 * 8);
            Assert.Throws<ArgumentException>(() => device.Attention(many, cache, 0, new AttentionShape(20, 1, 8), many));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.Gather(cache, 0, 1, [2], new byte[cache.Layout.BlockBytes], null));
            Assert.Throws<ArgumentException>(() => device.Gather(cache, 0, 1, [1], new byte[3], null));
            Assert.Throws<ArgumentOutOfRangeException>(() => device.TopCandidates(output, 1, 5, new int[5], new float[5]));
            device.Write(output, 0, 1, [1, 2, 3, 4]);
        }
    }

    private static (IlgpuDevice Device, IlgpuRuntime Runtime) Open()
    {
        var hardware = new CPUDevice(4, 8, 1);
        var runtime = new IlgpuRuntime(IlgpuDevices.Build(builder => builder.CPU(hardware)), hardware);
        return (new IlgpuDevice("ilgpu-cpu", runtime, KernelTuning.For(AcceleratorType.CPU)), runtime);
    }
}
