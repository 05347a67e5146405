using System.Runtime.InteropServices;
using ServingGrid.Kernels.Cpu.Memory;

namespace ServingGrid.Kernels.Tests.Cpu.Memory;

/// <summary>What a cache does when it is told that blocks will be written soon.</summary>
public sealed unsafe partial class CpuKvCacheTests
{
    private const int Mebi = 1 << 20;

    // 4 layers of 256 KB: a block is a mebibyte.
    private static readonly KvLayout Layout = new(4, 4, 64, 256, KvType.F16);

    [Fact]
    public void Expect_Blocks_AreResidentSoonAndTheRestIsNot()
    {
        SkipWhereMemoryComesWithItsUse();
        Assert.Equal(Mebi, Layout.BlockBytesAllLayers);
        using var cache = new CpuKvCache(Layout, 64);
        Assert.Equal(0, ResidentBytes(cache.Block(0, 0), 64 * Mebi));

        cache.Expect(15);
        Await(cache, 15 * Mebi);
        Assert.Equal(15 * Mebi, ResidentBytes(cache.Block(0, 0), 15 * Mebi));
        Assert.InRange(ResidentBytes(cache.Block(0, 0), 64 * Mebi), 15 * Mebi, 18 * Mebi);

        cache.Expect(10);
        cache.Expect(64);
        Await(cache, 64 * Mebi);
        Assert.Equal(64 * Mebi, ResidentBytes(cache.Block(0, 0), 64 * Mebi));
    }

    [Fact]
    public void Expect_SmallCache_IsResident()
    {
        SkipWhereMemoryComesWithItsUse();
        var layout = new KvLayout(1, 1, 64, 32, KvType.F16);
        using var cache = new CpuKvCache(layout, 7);
        cache.Expect(7);
        Await(cache, 7 * layout.BlockBytesAllLayers);
        Assert.True(ResidentBytes(cache.Block(0, 0), 7 * layout.BlockBytesAllLayers) >= 7 * layout.BlockBytesAllLayers);
    }

    [Fact]
    public void Expect_WhileBlocksAreWritten_ChangesNone()
    {
        const int Blocks = 48;
        using var cache = new CpuKvCache(Layout, Blocks);
        cache.Expect(Blocks);
        for (int block = Blocks - 1; block >= 0; block--)
        {
            Assert.Equal(-1, Bytes(block).IndexOfAnyExcept((byte)0));
            Bytes(block).Fill((byte)(block + 1));
        }

        if (MemoryCanBePrepared())
        {
            Await(cache, Blocks * Mebi);
        }

        for (int block = 0; block < Blocks; block++)
        {
            Assert.Equal(-1, Bytes(block).IndexOfAnyExcept((byte)(block + 1)));
        }

        Span<byte> Bytes(int block) => new(cache.Block(0, block), Mebi);
    }

    [Fact]
    public void Dispose_WhileMemoryIsPrepared_StopsIt()
    {
        const int Blocks = 1024;
        for (int run = 0; run < 3; run++)
        {
            var cache = new CpuKvCache(Layout, Blocks);
            cache.Expect(Blocks);
            cache.Dispose();
            Assert.InRange(cache.PreparedBytes, 0, (Blocks - 1) * (long)Mebi);
        }
    }

    [Fact]
    public void Expect_MoreThanThereIs_Throws()
    {
        using var cache = new CpuKvCache(Layout, 2);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Expect(3));
    }

    [Fact]
    public void Expect_Again_AllocatesNothing()
    {
        using var cache = new CpuKvCache(Layout, 40);
        cache.Expect(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int blocks = 1; blocks <= 40; blocks++)
        {
            cache.Expect(blocks);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Await(CpuKvCache cache, long bytes) =>
        Assert.True(SpinWait.SpinUntil(() => cache.PreparedBytes >= bytes, TimeSpan.FromSeconds(60)), $"{cache.PreparedBytes} of {bytes} bytes are present after a minute");

    private static void SkipWhereMemoryComesWithItsUse()
    {
        if (!MemoryCanBePrepared())
        {
            Assert.Skip("This system cannot make memory present ahead of its use (Linux 5.14 can).");
        }
    }

    private static bool MemoryCanBePrepared()
    {
        using var probe = new NativeBuffer(Environment.SystemPageSize);
        return probe.TryPopulate(0, probe.Length);
    }

    /// <summary>Of the pages that the range touches.</summary>
    private static long ResidentBytes(byte* first, long bytes)
    {
        nint page = Environment.SystemPageSize;
        nint start = (nint)first & ~(page - 1);
        byte[] states = new byte[((nint)first + bytes - start + page - 1) / page];
        Assert.Equal(0, Resident(start, (nuint)(states.Length * page), states));
        return states.Count(state => (state & 1) != 0) * (long)page;
    }

    [LibraryImport("libc", EntryPoint = "mincore")]
    private static partial int Resident(nint address, nuint length, [Out] byte[] states);
}
