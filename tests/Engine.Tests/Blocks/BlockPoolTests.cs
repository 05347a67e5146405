using CsCheck;
using ServingGrid.Engine.Blocks;

namespace ServingGrid.Engine.Tests.Blocks;

public sealed class BlockPoolTests
{
    [Fact]
    public void TryAllocate_AfterRelease_ReusesUncachedBlocksFirstAndTailsBeforePrefixes()
    {
        var pool = new BlockPool(4);
        var table = new BlockTable();
        for (int i = 0; i < 4; i++)
        {
            Assert.True(pool.TryAllocate(out int block));
            table.Add(block);
        }

        Assert.False(pool.TryAllocate(out _));
        pool.MarkCached(0);
        pool.MarkCached(1);
        pool.MarkCached(2);
        List<int> evicted = [];
        pool.Evicting = evicted.Add;
        pool.Release(table.Blocks);
        List<int> order = [];
        while (pool.TryAllocate(out int block))
        {
            order.Add(block);
        }

        Assert.Equal([3, 2, 1, 0], order);
        Assert.Equal([2, 1, 0], evicted);
    }

    [Fact]
    public void Release_Twice_Throws()
    {
        var pool = new BlockPool(2);
        Assert.True(pool.TryAllocate(out int block));
        pool.Release([block]);
        Assert.Throws<InvalidOperationException>(() => pool.Release([block]));
    }

    [Fact]
    public void CheckIntegrity_LostBlock_Throws()
    {
        var pool = new BlockPool(2);
        pool.CheckIntegrity([]);
        pool.TryAllocate(out _);
        Assert.Throws<InvalidOperationException>(() => pool.CheckIntegrity([]));
    }

    [Fact]
    public void Pool_RandomOperations_KeepsIntegrity() =>
        Gen.Select(Gen.Int[1, 20], Gen.Int[0, 1000].Array[1, 200]).Sample((count, operations) =>
        {
            var pool = new BlockPool(count);
            List<BlockTable> tables = [];
            foreach (int operation in operations)
            {
                Apply(pool, tables, operation);
                pool.CheckIntegrity(tables);
            }
        }, seed: "0000KOIKNSXx2", iter: 300);

    private static void Apply(BlockPool pool, List<BlockTable> tables, int operation)
    {
        int pick = operation / 5;
        switch (operation % 5)
        {
            case 0:
                tables.Add(new BlockTable());
                break;
            case 1 or 2 when tables.Count > 0 && pool.TryAllocate(out int block):
                tables[pick % tables.Count].Add(block);
                break;
            case 3 when tables.Count > 0:
                BlockTable released = tables[pick % tables.Count];
                pool.Release(released.Blocks);
                tables.Remove(released);
                break;
            case 4 when tables.Count > 0 && tables[pick % tables.Count].Count > 0:
                int shared = tables[pick % tables.Count].Blocks[0];
                if (!pool.IsCached(shared))
                {
                    pool.MarkCached(shared);
                }

                pool.Share(shared);
                var other = new BlockTable();
                other.Add(shared);
                tables.Add(other);
                break;
        }
    }
}
