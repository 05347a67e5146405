using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Cpu;

/// <summary>Misuse is refused with an exception, before memory is touched.</summary>
public sealed class CpuDeviceMisuseTests : IDisposable
{
    private readonly CpuDevice _device = CpuDevice.Create(new CpuDeviceOptions { Threads = 1 });
    private readonly StepBatch _batch = new(4, 1);

    public CpuDeviceMisuseTests()
    {
        _batch.AddSequence([1, 2, 99], 0, [0], 32, 1);
        _device.BeginStep(_batch);
    }

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(-1)]
    [InlineData(CpuDeviceOptions.MaxThreads + 1)]
    public void Create_ThreadsOutOfRange_Throws(int threads) =>
        Assert.Throws<ArgumentException>(() => CpuDevice.Create(new CpuDeviceOptions { Threads = threads }));

    [Fact]
    public void Create_UnknownInstructions_Throws() =>
        Assert.Throws<ArgumentException>(() => CpuDevice.Create(new CpuDeviceOptions { Isa = (CpuIsa)99 }));

    [Fact]
    public void Embed_TokenBeyondTheTable_Throws()
    {
        using Matrix table = _device.LoadMatrix(Numbers.Matrix(GgmlType.Q8_0, 64, 64, 1));
        using Tensor output = _device.AllocateTensor(4, 64);
        Assert.Throws<ArgumentException>(() => _device.Embed(table, output));
    }

    [Fact]
    public void Products_ShapesThatDoNotFit_Throw()
    {
        using Matrix matrix = _device.LoadMatrix(Numbers.Matrix(GgmlType.Q8_0, 64, 64, 1));
        using Tensor tooNarrow = _device.AllocateTensor(4, 32);
        using Tensor tooFew = _device.AllocateTensor(2, 64);
        using Tensor right = _device.AllocateTensor(4, 64);
        using Vector norm = _device.LoadVector(TensorData.FromFloats("norm", 1, 32, new float[32]));
        Assert.Throws<ArgumentException>(() => _device.ResidualProjection(tooNarrow, matrix, null, right));
        Assert.Throws<ArgumentException>(() => _device.ResidualProjection(right, matrix, null, tooFew));
        Assert.Throws<ArgumentException>(() => _device.NormedProjection(right, norm, 1e-5f, [new Projection(matrix, null, right)]));
        Assert.Throws<ArgumentException>(() => _device.NormedProjection(right, norm, 1e-5f, []));
    }

    [Fact]
    public void Blocks_BeyondTheCache_Throw()
    {
        using KvCache cache = _device.AllocateKvCache(new KvLayout(2, 1, 32), 4);
        byte[] bytes = new byte[2 * cache.Layout.BlockBytes];
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.CopyBlocks(cache, [4], [0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.Gather(cache, 0, 1, [-1], bytes, null));
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.Scatter(cache, 1, 2, [0], bytes));
        Assert.Throws<ArgumentException>(() => _device.Gather(cache, 0, 2, [0, 1], bytes, null));
    }

    [Fact]
    public void RopeAppend_PositionBeyondTheTable_Throws()
    {
        using KvCache cache = _device.AllocateKvCache(new KvLayout(1, 1, 32), 4);
        using RopeTable rope = _device.LoadRope(new Model.RopeParameters(Model.RopeStyle.Halves, 32, new float[16]), 2);
        using Tensor tensor = _device.AllocateTensor(4, 32);
        Assert.Throws<ArgumentException>(() => _device.RopeAppend(tensor, tensor, tensor, new AttentionShape(1, 1, 32), rope, null, cache, 0));
    }
}
