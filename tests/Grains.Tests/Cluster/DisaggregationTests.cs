using Orleans.TestingHost;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Cluster;

public sealed class DisaggregationTests
{
    private static readonly WorkerOptions Always = GridCluster.Options with { Disaggregation = new DisaggregationOptions { Mode = DisaggregationMode.Always } };

    [Fact]
    public async Task Generate_PrefilledElsewhere_SameTokensAndNothingComputedTwice()
    {
        // Shorter than a block, exact multiples, long, and (the last) a prefix that both sides have seen.
        int[][] prompts = [.. new[] { 5, 31, 32, 33, 64, 200, 1000 }.Select(length => GridCluster.Prompt(length, length)), [.. GridCluster.Prompt(1000, 1000), 500, 501]];
        int[][] expected = await Reference(prompts);
        await using GridCluster cluster = await Split();
        InferenceEngine decode = Engine(cluster, DeviceRole.Decode);
        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.Equal(expected[i], (await cluster.Run(Request(prompts[i], i))).Tokens);
        }

        Assert.Equal(0, decode.Status.ComputedPromptTokens);
        Assert.True(Engine(cluster, DeviceRole.Prefill).Status.ComputedPromptTokens <= prompts.Sum(prompt => prompt.Length));
        await cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_PrefillSiloKilled_ComputedLocallyWithTheSameTokens()
    {
        int[][] prompts = [GridCluster.Prompt(300, 7)];
        int[][] expected = await Reference(prompts);
        await using GridCluster cluster = await Split();
        InProcessSiloHandle prefill = cluster.Silos.Single(silo => cluster.Service<LocalDevice>(silo).Role == DeviceRole.Prefill);
        await cluster.Kill(prefill);

        Assert.Equal(expected[0], (await cluster.Run(Request(prompts[0], 0)).WaitAsync(TimeSpan.FromSeconds(60))).Tokens);
        await cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_CancelledDuringRemotePrefill_BothSidesGiveTheirBlocksBack()
    {
        await using GridCluster cluster = await Split();
        InferenceEngine prefill = Engine(cluster, DeviceRole.Prefill);
        using CancellationTokenSource cancellation = new();
        Task run = cluster.Run(GridCluster.Request(GridCluster.Prompt(2000, 9), 10), cancellation.Token);
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(10));
        while (prefill.Status.Running == 0)
        {
            await Task.Delay(1, limit.Token);
        }

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        await cluster.AssertIdle();
    }

    private static GenerateRequest Request(int[] prompt, int seed) => GridCluster.Request(prompt, 12) with
    {
        Sampling = new SamplingOptions { Temperature = 0.9f, Seed = seed },
    };

    private static async Task<int[][]> Reference(int[][] prompts)
    {
        await using GridCluster cluster = await GridCluster.Start(1);
        List<int[]> tokens = [];
        for (int i = 0; i < prompts.Length; i++)
        {
            tokens.Add((await cluster.Run(Request(prompts[i], i))).Tokens);
        }

        return [.. tokens];
    }

    /// <summary>One prefill silo and one decode silo that know each other.</summary>
    private static async Task<GridCluster> Split()
    {
        GridCluster cluster = await GridCluster.Start(2, index => Always with { Role = index == 0 ? DeviceRole.Decode : DeviceRole.Prefill });
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(10));
        while (cluster.Silos.Any(silo => cluster.Service<GridView>(silo).Find(GridCluster.Model) is not { IsFresh: true, Devices.Count: 2 }))
        {
            await Task.Delay(10, limit.Token);
        }

        return cluster;
    }

    private static InferenceEngine Engine(GridCluster cluster, DeviceRole role) =>
        cluster.EngineOf(cluster.Silos.Single(silo => cluster.Service<LocalDevice>(silo).Role == role));
}
