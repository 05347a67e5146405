using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>
/// Streams of many clients while silos die in every way that processes do: no request fails, and no client can tell from its
/// tokens that anything happened.
/// </summary>
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int Clients = 8;

    [Fact]
    public Task Streams_SilosKilledFrozenDrainedAndAdded_NoneFailsAndAllTokensStay() => RunAsync(requests: 120, seed: 1, longestGap: TimeSpan.FromSeconds(15));

    [Theory]
    [Trait("Category", "Nightly")]
    [InlineData(11)]
    [InlineData(12)]
    public Task Streams_EightHundredUnderFaults_NoneFailsAndAllTokensStay(int seed)
    {
        Nightly.SkipUnlessEnabled();
        return RunAsync(requests: 800, seed, longestGap: TimeSpan.FromSeconds(15));
    }

    private async Task RunAsync(int requests, int seed, TimeSpan longestGap)
    {
        using var folder = new TemporaryFolder();
        await using var grid = new ProcessGrid($"file:{folder.Combine("grid.db")}");
        string[] roles = ["decode", "decode", "decode", "prefill", "prefill", "both"];
        SiloProcess[] silos = await Task.WhenAll(roles.Select(role => grid.StartSiloAsync(role)));
        IHost[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => grid.ConnectAsync()));
        await clients[0].WaitForMembersAsync(roles.Length, TimeSpan.FromSeconds(30));
        GenerateRequest[] workload = GridRequests.Mixed(grid.ModelName, requests, seed);

        // A salt of its own: the blocks of the undisturbed run are of no use to the other.
        StreamResult[] expected = await clients.RunAllAsync([.. workload.Select(request => request with { CacheSalt = "undisturbed" })]);

        int finished = 0;
        var plan = new FaultPlan(seed, requests, () => Volatile.Read(ref finished), output.WriteLine);
        Task faults = plan.RunAsync(grid, silos);
        long start = Stopwatch.GetTimestamp();
        StreamResult[] disturbed = await clients.RunAllAsync(workload, () => Interlocked.Increment(ref finished)).WaitAsync(TimeSpan.FromMinutes(8));
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        await faults;

        TimeSpan first = disturbed.Max(stream => stream.FirstToken), gap = disturbed.Max(stream => stream.LongestGap);
        output.WriteLine(
            $"{requests} requests, {disturbed.Sum(stream => stream.Tokens.Length)} tokens in {took.TotalSeconds:0.0} s, seed {seed}: "
            + $"longest gap {gap.TotalSeconds:0.00} s (undisturbed {expected.Max(stream => stream.LongestGap).TotalSeconds:0.00} s), "
            + $"longest time to first token {first.TotalSeconds:0.00} s (undisturbed {expected.Max(stream => stream.FirstToken).TotalSeconds:0.00} s)");
        for (int i = 0; i < requests; i++)
        {
            Assert.True(
                expected[i].Tokens.SequenceEqual(disturbed[i].Tokens),
                $"Request {i} (prompt of {workload[i].Prompt.Length}): [{string.Join(' ', disturbed[i].Tokens)}], expected [{string.Join(' ', expected[i].Tokens)}]");
            Assert.Equal(disturbed[i].Tokens.Length, disturbed[i].Usage.CompletionTokens);
        }

        Assert.InRange(gap, TimeSpan.Zero, longestGap);
        await plan.CheckEndsAsync();
    }
}
