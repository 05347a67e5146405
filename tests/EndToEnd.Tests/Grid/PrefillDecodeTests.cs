using Microsoft.Extensions.Hosting;
using ServingGrid.Client;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>Where a prompt is computed does not show in the tokens.</summary>
public sealed class PrefillDecodeTests
{
    private const int Block = 32;
    private const int Rounds = 3;

    /// <summary>The tokens of a single silo, by model: tests of one class run one after the other.</summary>
    private static readonly Dictionary<string, int[][]> Expected = [];

    public static TheoryData<string, bool> Modes => new()
    {
        { "always", false },
        { "never", false },
        { "always", true },
    };

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task Generate_PrefillAndDecodeApart_TokensOfASingleSilo(string disaggregation, bool smollm)
    {
        Assert.SkipWhen(smollm && ModelFiles.SmolLM2 is null, ModelFiles.SmolLM2Absent);
        string model = smollm ? ModelFiles.SmolLM2! : ModelFiles.Bundled;
        GenerateRequest[] requests = Requests(Path.GetFileNameWithoutExtension(model), smollm);
        if (!Expected.TryGetValue(model, out int[][]? expected))
        {
            Expected.Add(model, expected = await RunAsync(model, requests, grid => grid.StartSiloAsync("both")));
        }

        // A machine that is busy for seconds may keep a silo from reporting, and the decode silo then computes prompts itself, as it should:
        // the tokens are the same in any case, the decisions those of a round without such a pause.
        int remote = disaggregation == "always" ? requests.Length : 0;
        double decisions = -1;
        for (int round = 0; round < Rounds && decisions != remote; round++)
        {
            double before = 0;
            int[][] apart = await RunAsync(
                model,
                requests,
                async grid =>
                {
                    await Task.WhenAll(grid.StartSiloAsync("prefill"), grid.StartSiloAsync("decode", "--disaggregation", disaggregation));
                    if (disaggregation == "always")
                    {
                        await WarmUpAsync(grid);
                    }

                    before = await RemoteAsync(grid);
                },
                async grid => decisions = await RemoteAsync(grid) - before);

            for (int i = 0; i < requests.Length; i++)
            {
                Assert.True(expected[i].SequenceEqual(apart[i]), $"Request {i}, prompt of {requests[i].Prompt.Length} tokens: [{string.Join(' ', apart[i])}], expected [{string.Join(' ', expected[i])}]");
            }
        }

        Assert.Equal(remote, decisions);
    }

    /// <summary>Shorter than a block, exact multiples and their neighbours, long ones, and prompts that begin like earlier ones or are the same.</summary>
    private static GenerateRequest[] Requests(string model, bool few)
    {
        int[] lengths = few ? [7, 2 * Block, 150] : [1, 5, Block - 1, Block, Block + 1, 2 * Block, 200, 16 * Block, 1000, 1300];
        int[][] prompts = [.. lengths.Select(length => GridRequests.Prompt(length, new Random(length)))];
        int[] longest = prompts[^1];
        prompts =
        [
            .. prompts,
            longest,
            [.. longest[..^40], .. GridRequests.Prompt(60, new Random(1))],
            [.. longest[..(longest.Length / Block * Block)], 400],
            prompts[Array.IndexOf(lengths, 2 * Block)],
        ];
        return [.. prompts.Select((prompt, i) => GridRequests.Create(model, prompt, few ? 8 : 24, i % 2 == 0 ? null : i))];
    }

    /// <summary>A decode silo computes prompts itself until it has heard of the prefill silo.</summary>
    private static async Task WarmUpAsync(ProcessGrid grid)
    {
        IHost client = await grid.ConnectAsync();
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (await RemoteAsync(grid) == 0)
        {
            Assert.False(patience.IsCancellationRequested, grid.Output);
            await client.RunAsync(GridRequests.Create(grid.ModelName, [1000], 1));
        }
    }

    /// <summary>Prompts that the decode silo has had computed elsewhere, less those that came back.</summary>
    private static async Task<double> RemoteAsync(ProcessGrid grid)
    {
        SiloProcess decode = grid.Silos.Single(silo => silo.Role == "decode");
        return await decode.ReadMetricAsync("servinggrid_prefill_decisions_total", "place=\"remote\"")
            - await decode.ReadMetricAsync("servinggrid_prefill_failures_total");
    }

    private static async Task<int[][]> RunAsync(string model, GenerateRequest[] requests, Func<ProcessGrid, Task> start, Func<ProcessGrid, Task>? look = null)
    {
        using var folder = new TemporaryFolder();
        await using var grid = new ProcessGrid($"file:{folder.Combine("grid.db")}") { Model = model };
        await start(grid);
        IHost client = await grid.ConnectAsync();
        List<int[]> tokens = [];
        foreach (GenerateRequest request in requests)
        {
            tokens.Add((await client.RunAsync(request)).Tokens);
        }

        if (look is not null)
        {
            await look(grid);
        }

        return [.. tokens];
    }
}
