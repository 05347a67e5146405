namespace ServingGrid.Kernels.Tests;

public sealed class KvLayoutTests
{
    [Theory]
    [InlineData(KvType.F16, 2 * 3 * 32 * 64 * 2)]
    [InlineData(KvType.F32, 2 * 3 * 32 * 64 * 4)]
    [InlineData(KvType.Q8, 2 * 3 * ((32 * 64) + (32 * 4)))]
    public void BlockBytes_OfEachType_ElementsAndScales(KvType type, int bytes)
    {
        var layout = new KvLayout(30, 3, 64, 32, type);
        Assert.Equal(bytes, layout.BlockBytes);
        Assert.Equal(30L * bytes, layout.BlockBytesAllLayers);
        Assert.Equal(bytes, layout.ValuesOf(2) + layout.HeadBytes);
    }

    [Theory]
    [InlineData(KvType.F16)]
    [InlineData(KvType.Q8)]
    public void Offsets_OfAllKeysAndValues_EachElementOnceAndWithinItsHead(KvType type)
    {
        var layout = new KvLayout(1, 2, 12, 24, type);
        var seen = new HashSet<int>();
        for (int head = 0; head < 2; head++)
        {
            for (int slot = 0; slot < 24; slot++)
            {
                for (int dimension = 0; dimension < 12; dimension++)
                {
                    int key = layout.KeyOffset(head, dimension, slot);
                    int value = layout.ValueOffset(head, slot, dimension);
                    Assert.Equal(head, key / layout.HeadElements);
                    Assert.Equal(2 + head, value / layout.HeadElements);
                    Assert.True(seen.Add(key) && seen.Add(value));
                }
            }
        }

        Assert.Equal(2 * layout.PartElements, seen.Count);
    }

    [Fact]
    public void Offsets_OfQ8_FourDimensionsOfAKeyAndTwoSlotsOfAValueSideBySide()
    {
        var layout = new KvLayout(1, 1, 64, 32, KvType.Q8);
        Assert.Equal((6 * 4) + 3, layout.KeyOffset(0, 3, 6));
        Assert.Equal((32 * 4) + (6 * 4), layout.KeyOffset(0, 4, 6));
        Assert.Equal(layout.PartElements + (10 * 2) + 1, layout.ValueOffset(0, 1, 10));
        Assert.Equal(layout.PartElements + (64 * 2) + (10 * 2), layout.ValueOffset(0, 2, 10));
    }
}
