using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Status;

namespace ServingGrid.Grains.Tests.Status;

public sealed class CounterTallyTests
{
    [Fact]
    public void Read_MoreDevicesThanItKeepsApart_TheRestIsCountedTogether()
    {
        // The counter is the process's, so other tests may count along; none of them has these devices.
        const string Name = "servinggrid_prefill_failures_total";
        using var tally = new CounterTally();
        for (int device = 0; device < 1000; device++)
        {
            GridMetrics.PrefillFailures.Add(1, new KeyValuePair<string, object?>("device", $"silo-{device}"));
        }

        GridMetrics.PrefillFailures.Add(1, new KeyValuePair<string, object?>("device", "silo-0"));
        Dictionary<string, long> counts = tally.Read().Where(pair => pair.Key.StartsWith(Name, StringComparison.Ordinal)).ToDictionary();

        Assert.Equal(2, counts[$"{Name}{{device=\"silo-0\"}}"]);
        Assert.InRange(counts.Count, 2, 101);
        Assert.InRange(counts[Name], 900, long.MaxValue);
        Assert.True(counts.Values.Sum() >= 1001, $"{counts.Values.Sum()} counted");
    }
}
