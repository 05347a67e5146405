using System.Runtime.InteropServices;
using ServingGrid.Model;

namespace ServingGrid.Kernels.Tests.Suite;

public abstract partial class DeviceSuite
{
    /// <summary>Heads, KV heads, head size.</summary>
    public static TheoryData<int, int, int, KvType> AttentionShapes => new()
    {
        { 9, 3, 64, KvType.F16 },
        { 3, 1, 64, KvType.F32 },
        { 8, 4, 8, KvType.F32 },
        { 4, 4, 32, KvType.F16 },
        { 4, 2, 128, KvType.F16 },
        { 16, 2, 96, KvType.F16 },
    };

    private AttentionRig Rig(Device device, AttentionShape shape, KvType type, bool headNorm = false, RopeStyle style = RopeStyle.Halves) =>
        new(device, shape, type, headNorm, style);

    [Theory]
    [MemberData(nameof(AttentionShapes))]
    public void RopeAppendAndAttention_RaggedBatch_MatchReference(int heads, int kvHeads, int headSize, KvType type)
    {
        var shape = new AttentionShape(heads, kvHeads, headSize);
        (int Tokens, int Chunk)[] sequences = SmallShapesOnly ? [(1, 1), (33, 20), (40, 32)] : [(1, 1), (31, 31), (32, 32), (33, 5), (100, 64), (300, 300), (290, 33)];
        foreach (RopeStyle style in Enum.GetValues<RopeStyle>())
        {
            float[] Run(Device device)
            {
                using AttentionRig rig = Rig(device, shape, type, headNorm: style == RopeStyle.Halves, style);
                return rig.Run(sequences);
            }

            // F16 values that round differently by one bit are the cache's error, not the arithmetic's. With Q8, queries are rounded too, to 127 steps of their largest.
            double rounding = type switch
            {
                KvType.F16 => 5e-4,
                KvType.Q8 => 1e-2,
                _ => 0,
            };
            AssertClose(OnBoth(Run), ArithmeticTolerance + rounding, $"attention {shape} {style}");
        }
    }

    [Theory]
    [MemberData(nameof(AttentionShapes))]
    public void Attention_AnyChunkingAndCompany_SameBits(int heads, int kvHeads, int headSize, KvType type)
    {
        var shape = new AttentionShape(heads, kvHeads, headSize);
        int tokens = SmallShapesOnly ? 40 : 300;
        using AttentionRig rig = Rig(Device, shape, type);
        float[] whole = rig.Run([(tokens, tokens)]);
        foreach (int chunk in SmallShapesOnly ? (int[])[1, 33] : [1, 7, 32, 33, 100])
        {
            Assert.Equal(whole, rig.Run([(tokens, chunk)]));
        }

        float[] company = rig.Run([(5, 5), (tokens, 40), (SmallShapesOnly ? 20 : 64, 13)], result: 1);
        Assert.Equal(whole, company);
    }

    [Theory]
    [InlineData(KvType.F16)]
    [InlineData(KvType.F32)]
    public void GatherScatterCopy_Blocks_RoundTripInTheStatedLayout(KvType type)
    {
        var layout = new KvLayout(3, 2, 16, 32, type);
        byte[] source = new byte[2 * 3 * layout.BlockBytes];
        new Random(20).NextBytes(source);
        ClearExponents(source, type);

        using KvCache cache = Device.AllocateKvCache(layout, 9);
        Device.Scatter(cache, 0, 3, [7, 2], source);
        Device.CopyBlocks(cache, [7, 2], [0, 5]);
        using DeviceEvent done = Device.Record();

        byte[] all = new byte[source.Length];
        Device.Gather(cache, 0, 3, [0, 5], all, done);
        Assert.Equal(source, all);

        byte[] part = new byte[layout.BlockBytes];
        Device.Gather(cache, 1, 1, [2], part, done);
        Assert.Equal(source.AsSpan(3 * layout.BlockBytes, layout.BlockBytes).ToArray(), part);

        // Keeps random bits finite: NaN payloads need not survive a device's conversions.
        static void ClearExponents(Span<byte> bytes, KvType type)
        {
            if (type == KvType.F16)
            {
                foreach (ref ushort x in MemoryMarshal.Cast<byte, ushort>(bytes))
                {
                    x &= 0xBFFF;
                }
            }
            else
            {
                foreach (ref uint x in MemoryMarshal.Cast<byte, uint>(bytes))
                {
                    x = (x & 0x807F_FFFF) | 0x3F00_0000;
                }
            }
        }
    }

    [Fact]
    public void RopeAppend_ThenGather_KeysTransposedValuesNot()
    {
        var shape = new AttentionShape(2, 2, 8);
        float[] Run(Device device)
        {
            using AttentionRig rig = Rig(device, shape, KvType.F32);
            rig.Run([(40, 40)]);
            return rig.Cached(tokens: 40);
        }

        AssertClose(OnBoth(Run), ArithmeticTolerance, "cache content");
    }
}
