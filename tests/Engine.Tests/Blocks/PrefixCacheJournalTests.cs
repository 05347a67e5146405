using ServingGrid.Engine.Blocks;

namespace ServingGrid.Engine.Tests.Blocks;

public sealed class PrefixCacheJournalTests
{
    [Fact]
    public void Read_FromWhereTheReaderWas_GivesNetChanges()
    {
        var journal = new PrefixCacheJournal(10);
        journal.Record(1, stored: true);
        journal.Record(2, stored: true);
        PrefixCacheEvents first = journal.Read(0);
        Assert.Equal<UInt128>([1, 2], first.Stored.Order());
        journal.Record(1, stored: false);
        journal.Record(3, stored: true);
        journal.Record(3, stored: false);
        PrefixCacheEvents second = journal.Read(first.LastId);
        Assert.False(second.IsSnapshot);
        Assert.Empty(second.Stored);
        Assert.Equal<UInt128>([1, 3], second.Removed.Order());
        PrefixCacheEvents none = journal.Read(second.LastId);
        Assert.Empty(none.Stored);
        Assert.Empty(none.Removed);
        Assert.Equal(second.LastId, none.LastId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1000)]
    public void Read_TooFarBehindOrUnknown_GivesSnapshot(long after)
    {
        var journal = new PrefixCacheJournal(4);
        for (int i = 0; i < 10; i++)
        {
            journal.Record((UInt128)i, stored: true);
        }

        journal.Record(0, stored: false);
        PrefixCacheEvents events = journal.Read(after);
        Assert.True(events.IsSnapshot);
        Assert.Equal(9, events.Stored.Count);
    }
}
