using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Operations;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Kernels.Cpu.Threading;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu;

/// <summary>
/// The device of silos without a GPU: vector kernels on a fixed set of threads. docs/adr/0004-cpu-kernels.md has the reasons.
/// </summary>
/// <remarks>
/// Operations run on the caller's thread and the pool's, and are complete when they return. Weights are repacked into panels of
/// 16 rows when they are loaded and are not kept twice.
/// </remarks>
public sealed unsafe partial class CpuDevice : Device
{
    /// <summary>
    /// Version of the kernels' arithmetic (<see cref="NumericsClass.Name"/>). Neither the family of kernels nor the number of threads is
    /// part of the class: they all compute the same bits.
    /// </summary>
    private const int ArithmeticVersion = 1;

    private readonly ThreadPlacement _placement;
    private readonly string? _refused;
    private readonly DeviceContext _context;
    private readonly WeightArena _arena = new();
    private readonly KernelTable _kernels;
    private readonly ProductWork _products;
    private readonly FeedForwardWork _feedForward;
    private readonly RopeAppendWork _ropeAppend;
    private readonly AttentionWork _attention;
    private readonly TopCandidatesWork _top;
    private StepBatch _batch = new(1, 1);
    private bool _isDisposed;

    private CpuDevice(CpuDeviceOptions options)
    {
        CpuIsa isa = CpuFeatures.Resolve(options.Isa);
        int threads = options.Threads > 0 ? options.Threads : options.Cores.Count > 0 ? options.Cores.Count : Environment.ProcessorCount;
        _refused = options.Cores.Count > 0 ? ReservedCores.Reserve(options.Cores) : null;

        _placement = new ThreadPlacement(options.Cores, options.Priority);
        _kernels = new KernelTable(isa, options.GeneratedCode);
        _context = new DeviceContext(new WorkerPool(threads, worker => _placement.Apply(worker)), LaneKernels.Create(isa, _kernels.AttentionProduct));
        _products = new ProductWork(_context);
        _feedForward = new FeedForwardWork(_context);
        _ropeAppend = new RopeAppendWork(_context);
        _attention = new AttentionWork(_context);
        _top = new TopCandidatesWork(_context);
        Info = new DeviceInfo(
            "cpu",
            CpuFeatures.Brand(),
            $"{_kernels.Name}, {threads} thread{(threads == 1 ? "" : "s")}",
            MemoryInfo.Read().Total,
            NumericsClass.Name("cpu", ArithmeticVersion, HostMath.Print));
    }

    public override DeviceInfo Info { get; }

    /// <summary>Memory that is available now, on the machine and in the process's control groups (containers).</summary>
    public override long FreeMemoryBytes => MemoryInfo.Read().Available;

    /// <summary>Starts the device's threads and chooses its kernels.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or asks for what the machine does not have.</exception>
    public static CpuDevice Create(CpuDeviceOptions? options = null)
    {
        options ??= new CpuDeviceOptions();
        options.Validate();
        return new CpuDevice(options);
    }

    public override string? EnterThread() => _placement.Apply(worker: 0) ?? _refused;

    public override Tensor AllocateTensor(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return new CpuTensor(rows, columns);
    }

    public override Vector LoadVector(TensorData source)
    {
        float[] values = new float[source.Rows * source.Columns];
        for (int row = 0; row < source.Rows; row++)
        {
            Dequantizer.DequantizeRow(source.Type, source.Row(row), values.AsSpan(row * source.Columns, source.Columns));
        }

        return new CpuVector(values);
    }

    public override Matrix LoadMatrix(TensorData source)
    {
        var matrix = new CpuMatrix(source, _arena, _kernels.For(source.Type));
        _context.Pool.Run(new PackWork(matrix, source));
        return matrix;
    }

    public override RopeTable LoadRope(RopeParameters rope, int maxPositions)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxPositions);
        if (rope.Dimensions % 2 != 0 || rope.InverseFrequencies.Count != rope.Dimensions / 2)
        {
            throw new ArgumentException($"{rope.InverseFrequencies.Count} frequencies do not fit {rope.Dimensions} rotated dimensions", nameof(rope));
        }

        return new CpuRopeTable(rope, maxPositions);
    }

    public override void CheckKvCache(KvLayout layout)
    {
        if (layout.Type == KvType.Q8 && (layout.HeadSize % KvLayout.KeysTogether != 0 || layout.BlockSize % KvLayout.ValuesTogether != 0))
        {
            throw new NotSupportedException(
                $"heads of {layout.HeadSize} elements in blocks of {layout.BlockSize} slots: a KV cache of type Q8 takes multiples of {KvLayout.KeysTogether} and {KvLayout.ValuesTogether}");
        }
    }

    public override KvCache AllocateKvCache(KvLayout layout, int blockCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockCount);
        CheckKvCache(layout);
        return new CpuKvCache(layout, blockCount);
    }

    public override void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _context.Dispose();
        _products.Dispose();
        _feedForward.Dispose();
        _attention.Dispose();
    }
}
