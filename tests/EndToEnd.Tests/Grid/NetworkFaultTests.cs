using Microsoft.Extensions.Hosting;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>A prefill silo behind a cable that is pulled, and a line that is slow or loses packets.</summary>
public sealed class NetworkFaultTests(ITestOutputHelper output)
{
    private const string Secret = "SERVINGGRID_CLUSTER_SECRET=network-fault-tests";
    private const int Requests = 6;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Partition_OfThePrefillSilo_SameTokensAndRemoteAgainAfterwards(bool lasting)
    {
        await using NetworkNamespace line = await NetworkNamespace.CreateAsync();
        using var folder = new TemporaryFolder();
        await using var grid = new ProcessGrid($"file:{folder.Combine("grid.db")}");
        (IHost client, int[][] expected) = await StartAsync(grid, line);

        Task<int[][]> running = RunAsync(client, grid, salt: "running");
        await line.CutAsync();
        Task<int[][]> arriving = RunAsync(client, grid, salt: "arriving");
        if (!lasting)
        {
            // Shorter than it takes to be declared dead.
            await Task.Delay(TimeSpan.FromSeconds(0.7));
            await line.MendAsync();
        }

        Check(expected, await running.WaitAsync(Patience));
        Check(expected, await arriving.WaitAsync(Patience));
        if (lasting)
        {
            await line.MendAsync();
        }

        await ReturnToRemoteAsync(grid, line, client, expected);
    }

    [Theory]
    [InlineData("delay", "200ms")]
    [InlineData("loss", "5%")]
    public async Task Disturbance_BetweenPrefillAndDecode_SameTokens(string what, string howMuch)
    {
        await using NetworkNamespace line = await NetworkNamespace.CreateAsync();
        await line.DisturbAsync(what, howMuch);
        await line.SettleAsync();
        using var folder = new TemporaryFolder();
        await using var grid = new ProcessGrid($"file:{folder.Combine("grid.db")}");
        (IHost client, int[][] expected) = await StartAsync(grid, line);

        await line.DisturbAsync(what, howMuch);
        Check(expected, await RunAsync(client, grid, salt: "disturbed").WaitAsync(Patience));
        await line.SettleAsync();

        await ReturnToRemoteAsync(grid, line, client, expected);
    }

    /// <summary>Two decode silos here, so that they outvote the prefill silo beyond the line about who is dead.</summary>
    private static async Task<(IHost Client, int[][] Expected)> StartAsync(ProcessGrid grid, NetworkNamespace line)
    {
        string[] here = ["env", Secret];
        await Task.WhenAll(
            StartPrefillAsync(grid, line),
            grid.StartSiloInAsync(here, "decode", "--address", line.NearAddress, "--disaggregation", "always"),
            grid.StartSiloInAsync(here, "decode", "--address", line.NearAddress, "--disaggregation", "always"));
        IHost client = await grid.ConnectAsync();
        await client.WaitForMembersAsync(3, Patience);
        int[][] expected = await RunAsync(client, grid, salt: "undisturbed");
        await WaitForRemoteAsync(grid, client, expected, "first");
        return (client, expected);
    }

    private static Task<SiloProcess> StartPrefillAsync(ProcessGrid grid, NetworkNamespace line) =>
        grid.StartSiloInAsync([.. line.Launcher, "env", Secret], "prefill", "--address", line.FarAddress);

    /// <summary>The silo itself may have been declared dead, and has ended then: an init system would start it again.</summary>
    private async Task ReturnToRemoteAsync(ProcessGrid grid, NetworkNamespace line, IHost client, int[][] expected)
    {
        await Task.Delay(TimeSpan.FromSeconds(3));
        SiloProcess prefill = grid.Silos.Single(silo => silo.Role == "prefill");
        output.WriteLine($"the prefill silo {(prefill.HasExited ? "found itself declared dead" : "is still there")}");
        if (prefill.HasExited)
        {
            await StartPrefillAsync(grid, line);
        }

        await WaitForRemoteAsync(grid, client, expected, "afterwards");
        Assert.DoesNotContain(grid.Silos, silo => silo.Role == "decode" && silo.HasExited);
    }

    private static async Task WaitForRemoteAsync(ProcessGrid grid, IHost client, int[][] expected, string salt)
    {
        double before = await RemoteAsync(grid);
        using var patience = new CancellationTokenSource(Patience);
        for (int i = 0; await RemoteAsync(grid) < before + Requests; i++)
        {
            Assert.False(patience.IsCancellationRequested, grid.Output);
            Check(expected, await RunAsync(client, grid, $"{salt}-{i}").WaitAsync(Patience));
        }
    }

    /// <summary>Prompts that were computed by the prefill silo.</summary>
    private static async Task<double> RemoteAsync(ProcessGrid grid)
    {
        double sum = 0;
        foreach (SiloProcess decode in grid.Silos.Where(silo => silo.Role == "decode"))
        {
            sum += await decode.ReadMetricAsync("servinggrid_prefill_decisions_total", "place=\"remote\"") - await decode.ReadMetricAsync("servinggrid_prefill_failures_total");
        }

        return sum;
    }

    /// <summary>Requests at once; nobody has the blocks of another salt.</summary>
    private static async Task<int[][]> RunAsync(IHost client, ProcessGrid grid, string salt)
    {
        StreamResult[] results = await Task.WhenAll(Enumerable.Range(0, Requests).Select(i =>
        {
            int[] prompt = GridRequests.Prompt(100 + (150 * i), new Random(i));
            return client.RunAsync(GridRequests.Create(grid.ModelName, prompt, 40, i) with { CacheSalt = salt });
        }));
        return [.. results.Select(result => result.Tokens)];
    }

    private static void Check(int[][] expected, int[][] tokens)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], tokens[i]);
        }
    }
}
