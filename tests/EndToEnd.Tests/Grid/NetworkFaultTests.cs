using System.Diagnostics;
using System.Net.Sockets;
using ServingGrid.Testing;
using ServingGrid.Testing.Network;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>A prefill silo behind a cable that is pulled, and behind a line that is slow or loses packets.</summary>
public sealed class NetworkFaultTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(200);

    // Longer than it takes to declare a silo dead, or to give up a KV connection.
    private static readonly TimeSpan Disturbance = TimeSpan.FromSeconds(6);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Partition_OfThePrefillSilo_SameTokensAndRemoteAgainAfterwards(bool lasting)
    {
        await using LinkedGrid grid = await LinkedGrid.StartAsync(output.WriteLine);
        Prefills before = await grid.CountAsync();

        Task running = grid.CheckAsync("running");
        grid.Link.Become(LinkConditions.Cut);
        Task arriving = grid.CheckAsync("arriving");
        if (!lasting)
        {
            // Shorter than it takes to be declared dead.
            await Task.Delay(TimeSpan.FromSeconds(0.7));
            grid.Link.Become(LinkConditions.Good);
        }

        await running;
        await arriving;
        Prefills during = await grid.CountAsync();
        Report(grid, before, during);
        Assert.True(grid.Link.Counters.CutOff > 0);
        if (lasting)
        {
            Assert.True(during.Fallback > before.Fallback, $"{during}");
            grid.Link.Become(LinkConditions.Good);
        }

        await grid.ReturnToRemoteAsync(mayBeDead: true);
    }

    [Fact]
    public async Task Delay_BetweenPrefillAndDecode_SameTokensStillRemoteAndNobodyDeclaredDead()
    {
        await using LinkedGrid grid = await LinkedGrid.StartAsync(output.WriteLine);

        await DisturbAsync(grid, new LinkConditions { Delay = Delay }, async () => Assert.True(await RoundTripAsync(grid.Link) >= 2 * Delay));

        Assert.True(grid.Link.Counters.Delayed > 100, $"{grid.Link.Counters}");
    }

    [Fact]
    public async Task Loss_BetweenPrefillAndDecode_SameTokensStillRemoteAndNobodyDeclaredDead()
    {
        await using LinkedGrid grid = await LinkedGrid.StartAsync(output.WriteLine, seed: 3);

        await DisturbAsync(grid, new LinkConditions { Loss = 0.05 });

        Assert.True(grid.Link.Counters.Lost > 20, $"{grid.Link.Counters}");
    }

    /// <summary>Worse than any network worth a grid: the silo beyond it may be declared dead, and the answers are the same.</summary>
    [Theory]
    [Trait("Category", "Nightly")]
    [InlineData(0, 0.05, 11)]
    [InlineData(0, 0.05, 12)]
    [InlineData(0, 0.2, 13)]
    [InlineData(0, 0.2, 14)]
    [InlineData(200, 0.05, 15)]
    [InlineData(1000, 0, 16)]
    public async Task Disturbance_OfManyKinds_SameTokensAndRemoteAgainAfterwards(int delay, double loss, int seed)
    {
        Nightly.SkipUnlessEnabled();
        await using LinkedGrid grid = await LinkedGrid.StartAsync(output.WriteLine, seed);
        Prefills before = await grid.CountAsync();

        grid.Link.Become(new LinkConditions { Delay = TimeSpan.FromMilliseconds(delay), Loss = loss });
        output.WriteLine($"{await grid.CheckForAsync(4 * Disturbance, "disturbed")} rounds");
        Report(grid, before, await grid.CountAsync());
        Assert.True(grid.Link.Counters.Delayed + grid.Link.Counters.Lost > 20, $"{grid.Link.Counters}");

        grid.Link.Become(LinkConditions.Good);
        await grid.ReturnToRemoteAsync(mayBeDead: true);
    }

    [Fact]
    [Trait("Category", "Nightly")]
    public async Task Flapping_OfTheLink_SameTokensAndRemoteAgainAfterwards()
    {
        Nightly.SkipUnlessEnabled();
        await using LinkedGrid grid = await LinkedGrid.StartAsync(output.WriteLine);
        Prefills before = await grid.CountAsync();

        var random = new Random(17);
        Task<int> answering = grid.CheckForAsync(4 * Disturbance, "flapping");
        while (!answering.IsCompleted)
        {
            grid.Link.Become(LinkConditions.Cut);
            await Task.Delay(random.Next(100, 1500));
            grid.Link.Become(LinkConditions.Good);
            await Task.Delay(random.Next(100, 1500));
        }

        output.WriteLine($"{await answering} rounds");
        Report(grid, before, await grid.CountAsync());
        Assert.True(grid.Link.Counters.CutOff > 20, $"{grid.Link.Counters}");

        await grid.ReturnToRemoteAsync(mayBeDead: true);
    }

    /// <summary>The grid goes on as if nothing were amiss while the link is bad, and after it.</summary>
    private async Task DisturbAsync(LinkedGrid grid, LinkConditions conditions, Func<Task>? meanwhile = null)
    {
        Prefills before = await grid.CountAsync();
        grid.Link.Become(conditions);
        await (meanwhile?.Invoke() ?? Task.CompletedTask);
        output.WriteLine($"{await grid.CheckForAsync(Disturbance, "disturbed")} rounds");
        Prefills during = await grid.CountAsync();
        Report(grid, before, during);
        Assert.True(during.Remote > before.Remote, $"{during}");
        Assert.All(await grid.MembersAsync(), status => Assert.Equal(SiloStatus.Active, status));

        grid.Link.Become(LinkConditions.Good);
        await grid.ReturnToRemoteAsync(mayBeDead: false);
    }

    private void Report(LinkedGrid grid, Prefills before, Prefills during) => output.WriteLine(
        $"{before} -> {during}; {grid.Link.Counters}; the prefill silo {(grid.Prefill.HasExited ? "found itself declared dead" : "is still there")}");

    /// <summary>Nobody listens there: the refusal is the answer.</summary>
    private static async Task<TimeSpan> RoundTripAsync(ImpairedLink link)
    {
        long start = Stopwatch.GetTimestamp();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await Assert.ThrowsAsync<SocketException>(() => socket.ConnectAsync(link.FarAddress, 1));
        return Stopwatch.GetElapsedTime(start);
    }
}
