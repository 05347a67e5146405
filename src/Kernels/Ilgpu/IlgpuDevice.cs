using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;
using ServingGrid.Kernels.Ilgpu.Programs;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// A device driven by ILGPU: CUDA, OpenCL, or ILGPU's CPU accelerator, which runs the same kernels slowly, for tests.
/// Activations are F32; weights stay in their GGUF blocks and are dequantised in registers.
/// </summary>
/// <remarks>
/// Steps run on one stream, KV transfer on another. See <see cref="Device"/> for threads and errors; <see cref="MatrixKernels"/>
/// and <see cref="AttentionKernels"/> say in which order sums are formed. Opened by <see cref="IlgpuDevices"/>.
/// </remarks>
public sealed unsafe partial class IlgpuDevice : Device
{
    /// <summary>Version of the kernels' arithmetic (<see cref="NumericsClass.Name"/>).</summary>
    private const int ArithmeticVersion = 1;

    private readonly IlgpuRuntime _runtime;
    private readonly KernelTuning _tuning;
    private readonly KernelSet _kernels;
    private readonly StepInputs _inputs;
    private readonly AttentionPlan _attention;
    private readonly ScratchTensors _scratch;
    private readonly TopSelector _top;
    private readonly TransferLane _transfer;
    private readonly StagedInts _copied;
    private readonly RowReader _rows;
    private readonly DeviceBuffer<float> _nothing;
    private readonly string _id;
    private readonly string _numerics;

    internal IlgpuDevice(string id, IlgpuRuntime runtime, KernelTuning tuning)
    {
        _id = id;
        _runtime = runtime;
        _tuning = tuning;
        _kernels = new KernelSet(runtime);
        _inputs = new StepInputs(runtime);
        _attention = new AttentionPlan(runtime, tuning);
        _scratch = new ScratchTensors(runtime, (rows, columns) => (IlgpuTensor)AllocateTensor(rows, columns));
        _top = new TopSelector(runtime, _kernels, tuning);
        _transfer = new TransferLane(runtime, _kernels, tuning);
        _copied = new StagedInts(runtime);
        _rows = new RowReader(runtime, WaitForSteps);
        _nothing = runtime.Allocate<float>(1);
        string norms = $"norms of {tuning.NormThreads} threads";
        _numerics = NumericsClass.Name(runtime.Kind, ArithmeticVersion, [.. runtime.Compiler, norms, HostMath.Print]);
    }

    /// <summary>The kernels field says what was compiled so far and how long that took.</summary>
    public override DeviceInfo Info => new(
        _id,
        _runtime.Accelerator.Name,
        _runtime.Describe(),
        _runtime.Accelerator.AcceleratorType == AcceleratorType.CPU ? 0 : _runtime.Accelerator.MemorySize,
        _numerics);

    /// <summary>For tests and benchmarks that ask about the hardware.</summary>
    internal IlgpuRuntime Runtime => _runtime;

    /// <inheritdoc/>
    public override long FreeMemoryBytes => _runtime.FreeMemoryBytes;

    /// <inheritdoc/>
    public override Tensor AllocateTensor(int rows, int columns)
    {
        DeviceBuffer<float> buffer = _runtime.Allocate<float>((long)rows * Padding.Columns(columns));
        _runtime.Clear(buffer.View);
        return new IlgpuTensor(rows, columns, buffer);
    }

    /// <inheritdoc/>
    public override Vector LoadVector(TensorData source)
    {
        float[] values = PinnedZeros<float>(Padding.Columns(source.Columns));
        Dequantizer.DequantizeRow(source.Type, source.Row(0), values.AsSpan(0, source.Columns));
        return new IlgpuVector(source.Columns, Uploaded(ref values[0], values.Length, source.Name));
    }

    /// <inheritdoc/>
    public override Matrix LoadMatrix(TensorData source)
    {
        _kernels.Format(source.Type);
        int words = source.RowBytes / 2;
        int padded = source.Type.BlockElements() > 1 ? words : (int)source.Type.RowBytes(Padding.Columns(source.Columns)) / 2;
        DeviceBuffer<ushort> buffer;
        if (padded == words)
        {
            buffer = Uploaded(ref Unsafe.AsRef<ushort>((void*)source.Address), source.ByteLength / 2, source.Name);
            GC.KeepAlive(source);
        }
        else
        {
            ushort[] rows = PinnedZeros<ushort>(checked(source.Rows * padded));
            for (int r = 0; r < source.Rows; r++)
            {
                MemoryMarshal.Cast<byte, ushort>(source.Row(r)).CopyTo(rows.AsSpan(r * padded));
            }

            buffer = Uploaded(ref rows[0], rows.Length, source.Name);
        }

        return new IlgpuMatrix(source.Type, source.Rows, source.Columns, padded, buffer);
    }

    /// <inheritdoc/>
    public override RopeTable LoadRope(RopeParameters rope, int maxPositions)
    {
        int pairs = rope.Dimensions / 2;
        long floats = Math.Max(1, 2L * maxPositions * pairs);
        if (floats > Array.MaxLength)
        {
            throw new ArgumentException($"RoPE for {maxPositions} positions takes {floats} numbers, which is more than a device's table holds ({Array.MaxLength}): a smaller context is needed");
        }

        float[] rotations = PinnedZeros<float>((int)floats);
        for (int p = 0; p < maxPositions; p++)
        {
            for (int i = 0; i < pairs; i++)
            {
                (double sin, double cos) = Math.SinCos((double)p * rope.InverseFrequencies[i]);
                rotations[2 * (p * pairs + i)] = (float)(cos * rope.Magnitude);
                rotations[2 * (p * pairs + i) + 1] = (float)(sin * rope.Magnitude);
            }
        }

        return new IlgpuRope(pairs, rope.Style == RopeStyle.Interleaved, maxPositions, Uploaded(ref rotations[0], rotations.Length, $"RoPE for {maxPositions} positions"));
    }

    /// <inheritdoc/>
    public override void CheckKvCache(KvLayout layout)
    {
        if (!KernelCatalog.CacheTypes.Contains(layout.Type))
        {
            throw new NotSupportedException($"GPU devices keep keys and values as {string.Join(" or ", KernelCatalog.CacheTypes)}, not as {layout.Type}");
        }

        if (layout.HeadSize > KernelCatalog.MaxHeadSize)
        {
            throw new NotSupportedException($"heads of {layout.HeadSize} elements exceed the {KernelCatalog.MaxHeadSize} that the attention kernels take");
        }
    }

    /// <inheritdoc/>
    public override void CheckAttention(AttentionShape shape)
    {
        if (shape.Heads / shape.KvHeads > AttentionKernels.MaxSharing)
        {
            throw new NotSupportedException(
                $"{shape.Heads / shape.KvHeads} query heads share each key/value head; the attention kernels of GPU devices take up to {AttentionKernels.MaxSharing}");
        }
    }

    /// <inheritdoc/>
    public override KvCache AllocateKvCache(KvLayout layout, int blockCount)
    {
        CheckKvCache(layout);
        return new IlgpuKvCache(layout, blockCount, _kernels.Cache(layout.Type, layout.HeadSize), _runtime.Allocate<uint>(blockCount * layout.BlockBytesAllLayers / sizeof(uint), $"a KV cache of {blockCount} blocks"));
    }

    /// <inheritdoc/>
    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination)
    {
        var source = (IlgpuTensor)tensor;
        Misuse.CheckRows(tensor, firstRow, rows, destination.Length);
        _rows.Read(source, firstRow, rows, destination);
    }

    /// <inheritdoc/>
    public override void ExpectReads(Tensor tensor, ReadOnlySpan<int> rows)
    {
        foreach (int row in rows)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(row);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, tensor.Rows);
        }

        _rows.Expect((IlgpuTensor)tensor, rows);
    }

    /// <inheritdoc/>
    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source)
    {
        var target = (IlgpuTensor)tensor;
        Misuse.CheckRows(tensor, firstRow, rows, source.Length);
        _rows.Forget();
        float[] values = PinnedZeros<float>(Math.Max(1, rows * target.Stride));
        for (int r = 0; r < rows; r++)
        {
            source.Slice(r * target.Columns, target.Columns).CopyTo(values.AsSpan(r * target.Stride));
        }

        _runtime.UploadAsync(_runtime.Compute, ref values[0], target.Floats.SubView((long)firstRow * target.Stride, rows * target.Stride));
        WaitForSteps();
    }

    /// <inheritdoc/>
    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to)
    {
        Misuse.CheckCopy(cache, from, to);
        if (from.IsEmpty)
        {
            return;
        }

        var kv = (IlgpuKvCache)cache;
        Span<int> ids = _copied.Reserve(2 * from.Length);
        from.CopyTo(ids);
        to.CopyTo(ids[from.Length..]);
        ArrayView<int> uploaded = _copied.Upload(2 * from.Length);
        _runtime.Launch(_kernels.Copy, _runtime.Compute, new KernelConfig(new Index3D(from.Length, cache.Layout.Layers, 1), new Index3D(_tuning.Threads, 1, 1)), new CopyArguments
        {
            Source = kv.Words,
            Target = kv.Words,
            From = uploaded.SubView(0, from.Length),
            To = uploaded.SubView(from.Length, from.Length),
            SourceLayer = kv.LayerWords,
            TargetLayer = kv.LayerWords,
            BlockWords = kv.BlockWords,
        });
    }

    /// <inheritdoc/>
    public override DeviceEvent Record() => _runtime.Accelerator.AcceleratorType == AcceleratorType.Cuda ? new CudaDeviceEvent(_runtime) : new StreamEvent(_runtime);

    /// <inheritdoc/>
    public override void Gather(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination, DeviceEvent? after)
    {
        Misuse.CheckTransfer(cache, firstLayer, layers, blocks, destination.Length);
        after?.Wait();
        _transfer.Gather((IlgpuKvCache)cache, firstLayer, layers, blocks, destination);
    }

    /// <inheritdoc/>
    public override void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source)
    {
        Misuse.CheckTransfer(cache, firstLayer, layers, blocks, source.Length);
        _transfer.Scatter((IlgpuKvCache)cache, firstLayer, layers, blocks, source);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _rows.Dispose();
        _nothing.Dispose();
        _copied.Dispose();
        _transfer.Dispose();
        _top.Dispose();
        _scratch.Dispose();
        _attention.Dispose();
        _inputs.Dispose();
        _runtime.Dispose();
    }

    private static T[] PinnedZeros<T>(int length) => GC.AllocateArray<T>(length, pinned: true);

    private DeviceBuffer<T> Uploaded<T>(ref T source, long length, string what)
        where T : unmanaged
    {
        DeviceBuffer<T> buffer = _runtime.Allocate<T>(length, what);
        _runtime.UploadAsync(_runtime.Compute, ref source, buffer.View);
        WaitForSteps();
        return buffer;
    }

    private void WaitForSteps()
    {
        _runtime.Wait(_runtime.Compute);
        _inputs.Settled();
        _attention.Settled();
        _copied.Settled();
    }
}
