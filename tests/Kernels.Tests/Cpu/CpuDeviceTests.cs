using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Cpu;

/// <summary>The suite on the CPU device, once for each family of kernels.</summary>
public abstract class CpuDeviceSuite : CheckedDeviceSuite
{
    protected abstract CpuDeviceOptions Options { get; }

    protected override Device CreateDevice()
    {
        Assert.SkipUnless(CpuFeatures.Supports(Options.Isa), $"this processor has no {Options.Isa}");
        return CpuDevice.Create(Options);
    }

    /// <summary>Heads, KV heads, head size.</summary>
    public static TheoryData<int, int, int> Q8Shapes => new()
    {
        { 9, 3, 64 },
        { 3, 1, 64 },
        { 8, 4, 8 },
        { 4, 4, 32 },
        { 4, 2, 128 },
        { 16, 2, 96 },
        { 10, 1, 40 },
    };

    [Theory]
    [MemberData(nameof(Q8Shapes))]
    public void RopeAppendAndAttention_Q8_MatchReference(int heads, int kvHeads, int headSize) => RopeAppendAndAttention_RaggedBatch_MatchReference(heads, kvHeads, headSize, KvType.Q8);

    [Theory]
    [MemberData(nameof(Q8Shapes))]
    public void Attention_Q8AnyChunkingAndCompany_SameBits(int heads, int kvHeads, int headSize) => Attention_AnyChunkingAndCompany_SameBits(heads, kvHeads, headSize, KvType.Q8);

    /// <summary>The bytes of a Q8 cache are what <see cref="KvLayout"/> says: the keys and values of an F32 cache, to half a step of 127 of each one's largest.</summary>
    [Fact]
    public void RopeAppend_Q8ThenGather_NearTheKeysAndValuesOfF32()
    {
        var shape = new AttentionShape(2, 2, 16);
        Assert.InRange(Numbers.RelativeError(Cached(KvType.F32), Cached(KvType.Q8)), 1e-4, 0.01);

        float[] Cached(KvType type)
        {
            using var rig = new AttentionRig(Device, shape, type, headNorm: false, RopeStyle.Halves);
            rig.Run([(40, 40)]);
            return rig.Cached(tokens: 40);
        }
    }

    [Theory]
    [InlineData(6, 3, 64)]
    [InlineData(4, 2, 8)]
    [InlineData(2, 2, 40)]
    public void Attention_Q8NotFiniteKeyValueOrQuery_ShowsInEveryRowThatReadsItAndInNoOther(int heads, int kvHeads, int headSize) =>
        Attention_NotFiniteKeyValueOrQuery_ShowsInEveryRowThatReadsItAndInNoOther(heads, kvHeads, headSize, KvType.Q8);

    [Theory]
    [MemberData(nameof(Q8Shapes))]
    public void Attention_Q8CacheThatHeldAnything_SameBitsAsZeroed(int heads, int kvHeads, int headSize) =>
        Attention_CacheThatHeldAnything_SameBitsAsZeroed(heads, kvHeads, headSize, KvType.Q8);

    [Fact]
    public void GatherScatterCopy_Q8_RoundTrip() => GatherScatterCopy_Blocks_RoundTripInTheStatedLayout(KvType.Q8);

    [Fact]
    public void AllocateKvCache_Q8HeadsOfSixElements_SaysSo() =>
        Assert.StartsWith("heads of 6 elements", Assert.Throws<NotSupportedException>(() => Device.AllocateKvCache(new KvLayout(1, 1, 6, 32, KvType.Q8), 1)).Message);

    /// <summary>Quantised weights meet activations of 8 bits: half a step of 127 of the largest of 32, relative to the norm.</summary>
    protected override double ProductTolerance(GgmlType type) => type.BlockElements() == 1 ? 2e-6 : 0.02;
}

/// <summary>As a user gets it: the best that the processor has.</summary>
public sealed class CpuDeviceTests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 2 };
}

/// <summary>AVX-512 from C# alone.</summary>
public sealed class CpuDeviceAvx512Tests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 3, Isa = CpuIsa.Avx512, GeneratedCode = false };
}

/// <summary>AVX2.</summary>
public sealed class CpuDeviceAvx2Tests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 2, Isa = CpuIsa.Avx2, GeneratedCode = false };
}

/// <summary>Portable vectors of 128 bits, one thread.</summary>
public sealed class CpuDevicePortableTests : CpuDeviceSuite
{
    protected override CpuDeviceOptions Options => new() { Threads = 1, Isa = CpuIsa.Portable, GeneratedCode = false };
}
