using Orleans.TestingHost;
using ServingGrid.Client;
using ServingGrid.Client.Placement;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Cluster;

public sealed class DisaggregationTests
{
    private static readonly WorkerOptions Always = GridCluster.Options with { Disaggregation = new DisaggregationOptions { Mode = DisaggregationMode.Always } };

    /// <summary>Who waits for a prefill that does not come waits for longer than a test does.</summary>
    private static readonly WorkerOptions Patient =
        Always with { Disaggregation = Always.Disaggregation with { PrefillTimeout = DisaggregationOptions.MaxPrefillTimeout } };

    [Theory]
    [InlineData(KvType.F16)]
    [InlineData(KvType.Q8)]
    public async Task Generate_PrefilledElsewhere_SameTokensAndNothingComputedTwice(KvType type)
    {
        WorkerOptions options = Always with { KvType = type };
        // Shorter than a block, exact multiples, long, and (the last) a prefix that both sides have seen.
        int[][] prompts = [.. new[] { 5, 31, 32, 33, 64, 200, 1000 }.Select(length => GridCluster.Prompt(length, length)), [.. GridCluster.Prompt(1000, 1000), 500, 501]];
        int[][] expected = await Reference(prompts, options);

        // A pause of this process may look like a silent prefill silo, and a prompt is computed by the decode silo then: with the same tokens, and not every time.
        for (int round = 0; round < 3; round++)
        {
            await using GridCluster cluster = await Split(options);
            InferenceEngine decode = Engine(cluster, DeviceRole.Decode);
            for (int i = 0; i < prompts.Length; i++)
            {
                Assert.Equal(expected[i], (await cluster.Run(Request(prompts[i], i))).Tokens);
            }

            await cluster.AssertIdle();
            if (decode.Status.ComputedPromptTokens == 0)
            {
                Assert.True(Engine(cluster, DeviceRole.Prefill).Status.ComputedPromptTokens <= prompts.Sum(prompt => prompt.Length));
                return;
            }
        }

        Assert.Fail("The decode silo has computed prompts in every round.");
    }

    [Fact]
    public async Task Generate_PrefillSiloKilled_ComputedLocallyWithTheSameTokens()
    {
        int[][] prompts = [GridCluster.Prompt(300, 7)];
        int[][] expected = await Reference(prompts);
        await using GridCluster cluster = await Split();
        InProcessSiloHandle prefill = cluster.Silos.Single(silo => cluster.Service<LocalDevice>(silo).Role == DeviceRole.Prefill);
        await cluster.Kill(prefill);

        Assert.Equal(expected[0], (await cluster.Run(Request(prompts[0], 0)).WaitAsync(TimeSpan.FromMinutes(2))).Tokens);
        await cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_CancelledDuringRemotePrefill_BothSidesGiveTheirBlocksBack()
    {
        await using GridCluster cluster = await Split();
        InferenceEngine prefill = Engine(cluster, DeviceRole.Prefill);

        // Several tries: a loaded machine may let the prefill finish before anybody looks.
        for (int i = 0; i < 10; i++)
        {
            using CancellationTokenSource cancellation = new();
            Task run = cluster.Run(GridCluster.Request(GridCluster.Prompt(2000, 100 + i), 10), cancellation.Token);
            while (prefill.Status.Running == 0 && !run.IsCompleted)
            {
                await Task.Delay(1);
            }

            await cancellation.CancelAsync();
            await Task.WhenAny(run);
            await cluster.AssertIdle();
            if (run.IsCanceled)
            {
                return;
            }

            await run;
        }

        Assert.Fail("No prefill was under way when it was cancelled.");
    }

    [Fact]
    public async Task Generate_DevicesGiveEachOtherTheSamePrompt_NeitherWaitsForTheOther()
    {
        await using GridCluster cluster = await GridCluster.Start(2, Patient);
        await KnowEachOther(cluster);
        string[] devices = [.. cluster.Silos.Select(silo => cluster.Service<LocalDevice>(silo).Identity.Id)];
        for (int round = 0; round < 10; round++)
        {
            int[] prompt = GridCluster.Prompt(300, 700 + round);
            Task<int[]>[] answers = [.. devices.Select(other => RunBeside(cluster, prompt, avoid: other))];
            int[][] tokens = await Task.WhenAll(answers).WaitAsync(TimeSpan.FromMinutes(2));
            Assert.Equal(tokens[0], tokens[1]);
        }

        Assert.All(cluster.Silos, silo => Assert.True(cluster.Service<HandoverPlanner>(silo).Snapshot().Remote > 0));
        await cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_PrefillDeviceAwaitsTheSamePromptFromElsewhere_ComputesIt()
    {
        await using GridCluster cluster = await Split(Patient);
        int[] prompt = GridCluster.Prompt(300, 12);
        Reservation awaited = (await Engine(cluster, DeviceRole.Prefill).ReserveAsync(
            new SequenceRequest { Id = "awaited", Prompt = prompt, MaxTokens = 5 }, TimeSpan.FromMinutes(30))).Accepted!;

        Assert.Equal(12, (await cluster.Run(Request(prompt, 1)).WaitAsync(TimeSpan.FromMinutes(2))).Tokens.Length);

        awaited.Release();
        await cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_RoomOfThePrefillDeviceIsReserved_ComputedHereInTheSameAttempt()
    {
        await using GridCluster cluster = await Split(Patient with { MaxSequences = 1 });
        Reservation place = (await Engine(cluster, DeviceRole.Prefill).ReserveAsync(
            new SequenceRequest { Id = "place", Prompt = GridCluster.Prompt(20), MaxTokens = 5 }, TimeSpan.FromMinutes(30))).Accepted!;

        Assert.Equal(12, (await cluster.Run(Request(GridCluster.Prompt(100, 13), 1)).WaitAsync(TimeSpan.FromMinutes(2))).Tokens.Length);

        place.Release();
        await cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_PrefillTakesTooLong_ComputedHereInTheSameAttempt()
    {
        WorkerOptions impatient = Always with { MaxSequences = 1, Disaggregation = Always.Disaggregation with { PrefillTimeout = TimeSpan.FromSeconds(1) } };
        int[] prompt = GridCluster.Prompt(100, 11);
        await using GridCluster cluster = await Split(impatient);
        InferenceEngine prefill = Engine(cluster, DeviceRole.Prefill);

        // Its only place is taken for much longer, by streams of its own: the silo reports, and the prompt waits there.
        SequenceHandle[] streams = [.. Enumerable.Range(0, 20).Select(i => prefill.Submit(
            new SequenceRequest { Id = "place", Prompt = GridCluster.Prompt(20, i), MaxTokens = 2000, IgnoreEos = true }).Accepted!)];
        IRequestGrain grain = cluster.Grains.GetGrain<IRequestGrain>($"slow/{Guid.NewGuid():N}");
        PlacementHints.Set(GridCluster.Model, prompt.Length, [], []);
        List<GenerateUpdate> updates = await grain.Generate(new GenerateAttempt { Request = GridCluster.Request(prompt, 8) }).ToListAsync();
        PlacementHints.Clear();

        Assert.Equal(FinishReason.Length, updates[^1].Finish);
        Assert.Equal(8, updates.Sum(update => update.Tokens.Count));
        Assert.True(Engine(cluster, DeviceRole.Decode).Status.ComputedPromptTokens >= prompt.Length);
        Assert.NotEqual(0, prefill.Status.Running);
        Array.ForEach(streams, stream => stream.Cancel());
        await cluster.AssertIdle();
    }

    private static GenerateRequest Request(int[] prompt, int seed) => GridCluster.Request(prompt, 12) with
    {
        Sampling = new SamplingOptions { Temperature = 0.9f, Seed = seed },
    };

    private static async Task<int[][]> Reference(int[][] prompts, WorkerOptions? options = null)
    {
        await using GridCluster cluster = await GridCluster.Start(1, options);
        List<int[]> tokens = [];
        for (int i = 0; i < prompts.Length; i++)
        {
            tokens.Add((await cluster.Run(Request(prompts[i], i))).Tokens);
        }

        return [.. tokens];
    }

    /// <summary>One prefill silo and one decode silo that know each other.</summary>
    private static async Task<GridCluster> Split(WorkerOptions? options = null)
    {
        GridCluster cluster = await GridCluster.Start(2, index => (options ?? Always) with { Role = index == 0 ? DeviceRole.Decode : DeviceRole.Prefill });
        await KnowEachOther(cluster);
        return cluster;
    }

    private static async Task KnowEachOther(GridCluster cluster)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        while (cluster.Silos.Any(silo => cluster.Service<GridView>(silo).Find(GridCluster.Model) is not { IsFresh: true, Devices.Count: 2 }))
        {
            await Task.Delay(10, limit.Token);
        }
    }

    /// <summary>A prompt on another device than <paramref name="avoid"/>.</summary>
    private static async Task<int[]> RunBeside(GridCluster cluster, int[] prompt, string avoid)
    {
        // For its placement alone: a device that the attempt itself avoids would not be asked for the prompt either.
        PlacementHints.Set(GridCluster.Model, prompt.Length, [], [avoid]);
        List<GenerateUpdate> updates = await cluster.Grains.GetGrain<IRequestGrain>($"beside/{Guid.NewGuid():N}")
            .Generate(new GenerateAttempt { Request = GridCluster.Request(prompt, 4) }).ToListAsync();
        PlacementHints.Clear();
        return [.. updates.SelectMany(update => update.Tokens).Select(token => token.Token)];
    }

    private static InferenceEngine Engine(GridCluster cluster, DeviceRole role) =>
        cluster.EngineOf(cluster.Silos.Single(silo => cluster.Service<LocalDevice>(silo).Role == role));
}
