using CsCheck;
using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class BlockLogTests
{
    /// <summary>Whatever is stored, evicted and reset, and however rarely a reader reads: it ends with what the devices have.</summary>
    [Fact]
    public void Read_AtAnyPace_EndsWithWhatTheDevicesHave() =>
        Gen.Int[0, 1_000_000].Sample(seed =>
        {
            Random random = new(seed);
            BlockLog log = new();
            Dictionary<string, HashSet<ulong>> truth = [];
            Dictionary<string, long> lastIds = [];
            Dictionary<string, HashSet<ulong>> reader = [];
            long version = 0;
            for (int step = 0; step < 60; step++)
            {
                string device = $"d{random.Next(3)}";
                bool reset = !truth.ContainsKey(device) || random.Next(10) == 0;
                HashSet<ulong> held = reset ? [] : truth[device];
                ulong[] stored = [.. Enumerable.Range(0, random.Next(400)).Select(_ => (ulong)random.Next(3000))];
                ulong[] removed = [.. held.Concat(stored).Distinct().Where(_ => random.Next(3) == 0)];
                long after = lastIds.GetValueOrDefault(device);
                lastIds[device] = after + stored.Length + removed.Length;
                Assert.True(log.Append(device, new BlockChanges { After = after, LastId = lastIds[device], Reset = reset, Stored = stored, Removed = removed }));
                held.UnionWith(stored);
                held.ExceptWith(removed);
                truth[device] = held;
                if (random.Next(5) == 0)
                {
                    version = Follow(log, reader, version);
                }
            }

            Follow(log, reader, version);
            foreach ((string device, HashSet<ulong> held) in truth)
            {
                Assert.True(held.SetEquals(reader[device]), device);
            }

            Assert.True(log.LoggedHashes <= truth.Values.Sum(held => (2 * held.Count) + BlockLog.Slack));
        }, seed: "0000KOIKNSXx2", iter: 200);

    [Fact]
    public void Append_EventsMissing_Refused()
    {
        BlockLog log = new();

        Assert.False(log.Append("d", Changes(5, 6, reset: false, 1)));
        Assert.True(log.Append("d", Changes(0, 3, reset: true, 1)));
        Assert.False(log.Append("d", Changes(4, 5, reset: false, 2)));
        Assert.True(log.Append("d", Changes(3, 5, reset: false, 2)));
    }

    [Fact]
    public void Read_ManyHashes_InPieces()
    {
        BlockLog log = new();
        log.Append("d", Changes(0, 1, reset: true, [.. Enumerable.Range(0, 10_000).Select(i => (ulong)i)]));
        (BlockBatch[] first, bool more) = log.Read(0, 5000);
        (BlockBatch[] rest, bool end) = log.Read(first[^1].Version, 5000);

        Assert.True(more);
        Assert.False(end);
        Assert.Equal(10_000, first.Concat(rest).SelectMany(batch => batch.Stored).Distinct().Count());
        Assert.Equal([true, false, false], first.Concat(rest).Select(batch => batch.Reset));
    }

    private static BlockChanges Changes(long after, long last, bool reset, params ulong[] stored) =>
        new() { After = after, LastId = last, Reset = reset, Stored = stored, Removed = [] };

    private static long Follow(BlockLog log, Dictionary<string, HashSet<ulong>> reader, long version)
    {
        bool more = true;
        while (more)
        {
            (BlockBatch[] batches, more) = log.Read(version, 700);
            foreach (BlockBatch batch in batches)
            {
                Assert.True(batch.Version > version);
                version = batch.Version;
                HashSet<ulong> held = reader.TryGetValue(batch.DeviceId, out HashSet<ulong>? known) && !batch.Reset ? known : [];
                held.UnionWith(batch.Stored);
                held.ExceptWith(batch.Removed);
                reader[batch.DeviceId] = held;
            }
        }

        return version;
    }
}
