using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model;
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
public abstract class IlgpuSuite(SharedDevice shared) : CheckedDeviceSuite
{
    private protected abstract IlgpuDevice Open();

    protected override bool DisposeDevice => false;

    protected override Device CreateDevice() => shared.Get(Open);

    protected override double ProductTolerance(GgmlType type) => 2e-5;

    /// <summary>A decoding row whose context spans two pieces, which run apart and are combined, against the same row in a chunk.</summary>
    [Fact]
    public void Attention_DecodeAcrossPieces_SameBitsAsInAChunk()
    {
        const int Tokens = 257;
        using var rig = new AttentionRig(Device, new AttentionShape(1, 1, 8), KvType.F16, headNorm: false, RopeStyle.Halves);
        Assert.Equal(rig.Run([(Tokens, Tokens)]), rig.Run([(Tokens, Tokens - 1)]));
    }

    [Fact]
    public void AllocateKvCache_Q8_SaysThatItIsNotForGpus() =>
        Assert.StartsWith("GPU devices keep keys and values as F16 or F32, not as Q8", Assert.Throws<NotSupportedException>(() => Device.AllocateKvCache(new KvLayout(1, 1, 8, 32, KvType.Q8), 1)).Message);

    [Theory]
    [InlineData(1 << 24)]
    [InlineData(int.MaxValue)]
    public void LoadRope_MorePositionsThanATableHolds_SaysSo(int positions)
    {
        var failure = Assert.Throws<ArgumentException>(() => Device.LoadRope(new RopeParameters(RopeStyle.Halves, 128, new float[64]), positions));
        Assert.StartsWith($"RoPE for {positions} positions takes ", failure.Message);
    }

    [Fact]
    public async Task GatherAndScatter_WhileStepsRun_NeitherDisturbsTheOther()
    {
        var layout = new KvLayout(2, 1, 16);
        using KvCache cache = Device.AllocateKvCache(layout, 8);
        byte[] sent = new byte[2 * 3 * layout.BlockBytes];
        new Random(41).NextBytes(sent);
        using var rig = new AttentionRig(Device, new AttentionShape(2, 1, 8), KvType.F32, headNorm: true, RopeStyle.Halves);
        float[] alone = rig.Run([(9, 3)]);
        Device.Scatter(cache, 0, 2, [0, 1, 2], sent);

        Task transfers = Task.Run(() =>
        {
            byte[] received = new byte[sent.Length];
            for (int i = 0; i < 20; i++)
            {
                Device.Scatter(cache, 0, 2, [7, 3, 5], sent);
                Device.Gather(cache, 0, 2, [7, 3, 5], received, null);
                Assert.Equal(sent, received);
            }
        });
        do
        {
            Assert.Equal(alone, rig.Run([(9, 3)]));
            Device.CopyBlocks(cache, [0, 1], [4, 6]);
        }
        while (!transfers.IsCompleted);

        await transfers;
        byte[] copied = new byte[2 * 2 * layout.BlockBytes];
        using DeviceEvent done = Device.Record();
        Device.Gather(cache, 0, 2, [4, 6], copied, done);
        Assert.Equal(sent.AsSpan(0, 2 * layout.BlockBytes).ToArray(), copied.AsSpan(0, 2 * layout.BlockBytes).ToArray());
    }
}
