using System.Reflection;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.OpenCL;
using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Kernels.Tests.Suite;
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
            Assert.Throws<NotSupportedException>(() => device.Attention(many, cache, 0, new AttentionShape(20, 1, 8), many));
        }
    }

    [Fact]
    public void CheckAttention_MoreQueryHeadsThanAGroupTakes_SaysSoBeforeAnyStep()
    {
        (IlgpuDevice device, _) = Open();
        using (device)
        {
            device.CheckAttention(new AttentionShape(32, 2, 8));
            string message = Assert.Throws<NotSupportedException>(() => device.CheckAttention(new AttentionShape(34, 2, 8))).Message;
            Assert.Equal("17 query heads share each key/value head; the attention kernels of GPU devices take up to 16", message);
        }
    }

    [Fact]
    public void Allocate_MoreThanTheDriverGivesInOnePiece_SaysSoAndTheDeviceStaysInService()
    {
        const long Most = 1 << 20;
        (IlgpuDevice device, IlgpuRuntime runtime) = Open(Most);
        using (device)
        {
            Assert.Equal(Most, device.FreeMemoryBytes);
            var layout = new KvLayout(1, 1, 8);
            int fitting = (int)(Most / layout.BlockBytesAllLayers);
            string message = Assert.Throws<DeviceException>(() => device.AllocateKvCache(layout, fitting + 1)).Message;
            Assert.Equal($"a KV cache of {fitting + 1} blocks takes {(fitting + 1) * layout.BlockBytesAllLayers} bytes, and {runtime.Accelerator.Name} gives at most {Most} in one piece", message);
            device.AllocateKvCache(layout, fitting).Dispose();

            TensorData matrix = TensorData.FromFloats("output.weight", 1024, 512, new float[1024 * 512]);
            Assert.StartsWith("output.weight takes 2097152 bytes", Assert.Throws<DeviceException>(() => device.LoadMatrix(matrix)).Message, StringComparison.Ordinal);
            using Tensor tensor = device.AllocateTensor(1, 32);
        }
    }

    [Fact]
    public void Read_ExpectedRows_OneWaitForAllAndNothingAllocated()
    {
        const int Rows = 12;
        const int Columns = 10_001;
        (IlgpuDevice device, IlgpuRuntime runtime) = Open();
        using (device)
        {
            using Tensor logits = device.AllocateTensor(Rows, Columns);
            float[] written = Numbers.Normal(51, Rows * Columns);
            device.Write(logits, 0, Rows, written);
            int[] expected = [0, 2, 3, 4, 9, 11];
            float[] row = new float[Columns];
            for (int turn = 0; turn < 3; turn++)
            {
                // Whatever changes a tensor ends what was expected.
                written[(2 * Columns) + turn] = 100 + turn;
                device.Write(logits, 2, 1, written.AsSpan(2 * Columns, Columns));
                long waits = runtime.Waits;
                long allocated = GC.GetAllocatedBytesForCurrentThread();
                device.ExpectReads(logits, expected);
                foreach (int r in expected)
                {
                    device.Read(logits, r, 1, row);
                    Assert.True(written.AsSpan(r * Columns, Columns).SequenceEqual(row));
                }

                Assert.Equal(1, runtime.Waits - waits);
                if (turn > 0)
                {
                    Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, Columns);
                }
            }
        }
    }

    /// <summary>More rows than are brought over at once, in any order, expected or not.</summary>
    [Fact]
    public void Read_RowsInAnyOrder_AreThoseOfTheTensor()
    {
        (IlgpuDevice device, IlgpuRuntime runtime) = Open();
        using (device)
        {
            using Tensor tensor = device.AllocateTensor(9, 40);
            using Tensor other = device.AllocateTensor(9, 40);
            float[] written = Numbers.Normal(52, 9 * 40);
            float[] others = Numbers.Normal(53, 9 * 40);
            device.Write(tensor, 0, 9, written);
            device.Write(other, 0, 9, others);
            using var reader = new RowReader(runtime, () => runtime.Wait(runtime.Compute), mostFloats: 3 * 64);
            var random = new Random(54);
            for (int i = 0; i < 200; i++)
            {
                if (random.Next(4) == 0)
                {
                    reader.Expect((IlgpuTensor)tensor, [.. Enumerable.Range(0, 9).Where(_ => random.Next(2) == 0)]);
                }

                (int first, int rows) = (random.Next(9), random.Next(1, 5));
                rows = Math.Min(rows, 9 - first);
                bool isOther = random.Next(4) == 0;
                float[] read = new float[rows * 40];
                reader.Read((IlgpuTensor)(isOther ? other : tensor), first, rows, read);
                Assert.Equal((isOther ? others : written)[(first * 40)..((first + rows) * 40)], read);
            }
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

    private static (IlgpuDevice Device, IlgpuRuntime Runtime) Open(long? mostBytes = null)
    {
        var hardware = new CPUDevice(4, 8, 1);
        var runtime = new IlgpuRuntime(IlgpuDevices.Build(builder => builder.CPU(hardware)), hardware, mostBytes);
        return (new IlgpuDevice("ilgpu-cpu", runtime, KernelTuning.For(AcceleratorType.CPU)), runtime);
    }

    private sealed class Lost : IDisposable
    {
        public void Dispose() => throw new CLException(CLError.CL_OUT_OF_RESOURCES);
    }
}
