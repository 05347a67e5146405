using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client;
using ServingGrid.Testing.Services;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>The same life of a grid on each membership store.</summary>
public sealed class ClusterStoreTests(ITestOutputHelper output)
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);

    public static TheoryData<string> Kinds { get; } = [.. TestClusterStore.Kinds];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Grid_SilosKilledAndStarted_ServesAllTheTime(string kind)
    {
        await using TestClusterStore store = await TestClusterStore.StartAsync(kind);
        await using var grid = new ProcessGrid(store.Cluster);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => grid.StartSiloAsync("both")));
        IHost client = await grid.ConnectAsync();
        await client.WaitForMembersAsync(3, StartPatience);
        GenerateRequest request = GridRequests.Create(grid.ModelName, GridRequests.Prompt(50, new Random(1)), 200, seed: 3);
        int[] expected = (await client.RunAsync(request)).Tokens;

        // One silo killed under streams.
        Task<StreamResult>[] streams = [.. Enumerable.Range(0, 6).Select(_ => client.RunAsync(request))];
        grid.Silos[1].Kill();
        TimeSpan @out = await client.WaitForMembersAsync(2, TimeSpan.FromSeconds(15));
        foreach (StreamResult stream in await Task.WhenAll(streams))
        {
            Assert.Equal(expected, stream.Tokens);
        }

        output.WriteLine($"{kind}: a killed silo is out after {@out.TotalSeconds:0.0} s");

        // All others killed: the rows of three dead silos are there when the next ones start, and the client has to find them.
        grid.Silos[0].Kill();
        grid.Silos[2].Kill();
        await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => grid.StartSiloAsync("both")));
        long rejoined = Stopwatch.GetTimestamp();
        Assert.Equal(expected, (await client.RunAsync(request)).Tokens);
        output.WriteLine($"{kind}: the client is served {Stopwatch.GetElapsedTime(rejoined).TotalSeconds:0.0} s after all silos were replaced");
        await client.WaitForMembersAsync(2, StartPatience);
    }

    [Theory]
    [InlineData("redis")]
    [InlineData("azure-table")]
    public async Task Grid_StoreDown_RunningAndNewRequestsGoOn(string kind)
    {
        await using TestClusterStore store = await TestClusterStore.StartAsync(kind);
        await using var grid = new ProcessGrid(store.Cluster);
        await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => grid.StartSiloAsync("both")));
        IHost client = await grid.ConnectAsync();
        await client.WaitForMembersAsync(2, StartPatience);
        GenerateRequest request = GridRequests.Create(grid.ModelName, GridRequests.Prompt(50, new Random(2)), 300, seed: 4);
        int[] expected = (await client.RunAsync(request)).Tokens;

        Task<StreamResult> running = client.RunAsync(request);
        await store.StopServerAsync();

        // Longer than the period in which silos read the table and write that they are alive.
        long down = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(down) < TimeSpan.FromSeconds(7))
        {
            Assert.Equal(expected, (await client.RunAsync(request)).Tokens);
        }

        Assert.Equal(expected, (await running).Tokens);
        await store.RestartServerAsync();
        await grid.StartSiloAsync("both");
        await client.WaitForMembersAsync(3, StartPatience);
        Assert.Equal(expected, (await client.RunAsync(request)).Tokens);
        Assert.DoesNotContain(grid.Silos, silo => silo.HasExited);
    }
}
