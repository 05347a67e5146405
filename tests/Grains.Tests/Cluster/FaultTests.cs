using System.Diagnostics.Metrics;
using Orleans.TestingHost;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;
using ServingGrid.Testing.Faults;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>Faults at every stage of a step, under the streams of others: these do not notice, and devices serve on.</summary>
public sealed class FaultTests
{
    /// <summary>
    /// Every stage once as one that throws or, where there are numbers, as one that spoils those of a row: on the same two devices, one
    /// after the other.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Generate_PromptThatDevicesFailOn_EndsAfterTwoOfThemAndOthersGoOn(bool spoils)
    {
        await using GridCluster cluster = await GridCluster.Start(2);
        FaultRun run = await FaultRun.Prepare(cluster);
        foreach (FaultStage stage in Enum.GetValues<FaultStage>().Where(stage => !spoils || stage != FaultStage.BeginStep))
        {
            Strike(cluster, new Fault(stage, FaultRun.Poison, spoils));
            await run.Disturb(() => run.AssertFails(FaultRun.Poisoned(inPrompt: true, (int)stage), $"{stage}"));
            Assert.All(cluster.Silos, silo => Assert.True(cluster.DeviceOf(silo).Struck > 0, $"{stage} has not struck"));
            await run.AssertAllServe();
        }
    }

    [Theory]
    [InlineData(FaultStage.Attention, false)]
    [InlineData(FaultStage.Logits, true)]
    public async Task Generate_TokenThatDevicesFailOn_TheStreamEndsAndOthersGoOn(FaultStage stage, bool spoils)
    {
        await using GridCluster cluster = await GridCluster.Start(2);
        FaultRun run = await FaultRun.Prepare(cluster);
        Strike(cluster, new Fault(stage, FaultRun.Poison, spoils));
        await run.Disturb(async () =>
        {
            GenerateRequest request = FaultRun.Poisoned(inPrompt: false);
            List<int> tokens = [];
            GridException failure = await Assert.ThrowsAsync<GridException>(async () =>
            {
                await foreach (TextUpdate update in cluster.Client.GenerateAsync(request))
                {
                    tokens.AddRange(update.Tokens.Select(token => token.Token));
                }
            });

            Assert.True(failure.Error == GridError.RequestFailed, failure.ToString());
            Assert.Contains(request.RequestId, failure.Message);
            Assert.Equal([FaultRun.Poison], tokens);
        });
        await run.AssertAllServe();
    }

    [Fact]
    public async Task Generate_PromptThatOneDeviceFailsOn_ServedByTheOther()
    {
        await using GridCluster cluster = await GridCluster.Start(2, GridCluster.Options with { RoutingPolicy = "round-robin" });
        FaultRun run = await FaultRun.Prepare(cluster);
        cluster.DeviceOf(cluster.Silos[0]).Fault = new Fault(FaultStage.Logits, FaultRun.Poison, Spoils: true);
        await run.Disturb(async () =>
        {
            for (int i = 0; i < 4; i++)
            {
                Assert.Equal(40, (await cluster.Run(FaultRun.Poisoned(inPrompt: true, i))).Tokens.Length);
            }
        });
        await run.AssertAllServe();
    }

    [Fact]
    public async Task Generate_PromptThatTheOnlyDeviceFailsOn_EndsAtOnceAndOthersGoOn()
    {
        await using GridCluster cluster = await GridCluster.Start(1);
        FaultRun run = await FaultRun.Prepare(cluster);
        Strike(cluster, new Fault(FaultStage.Logits, FaultRun.Poison, Spoils: true));
        await run.Disturb(() => run.AssertFails(FaultRun.Poisoned(inPrompt: true)));

        // In one attempt: the engine computes such a sequence once more from the start before it is given up.
        Assert.InRange(cluster.DeviceOf(cluster.Silos[0]).Struck, 1, 2);
        await run.AssertAllServe();
    }

    /// <summary>Nobody is to blame: everything goes on, on the other device or on the same one.</summary>
    [Theory]
    [InlineData(1, FaultStage.BeginStep)]
    [InlineData(1, FaultStage.Sampling)]
    [InlineData(2, FaultStage.Attention)]
    public async Task Generate_AStepFailsOnce_EveryStreamGoesOnWithTheSameTokens(int silos, FaultStage stage)
    {
        await using GridCluster cluster = await GridCluster.Start(silos);
        FaultRun run = await FaultRun.Prepare(cluster);
        await run.Disturb(async () =>
        {
            Strike(cluster, new Fault(stage) { Times = 1 });
            await cluster.Run(GridCluster.Request(GridCluster.Prompt(30, 900), 20));
        });
        await run.AssertAllServe();
    }

    [Theory]
    [InlineData(FaultStage.FeedForward, false)]
    [InlineData(FaultStage.Logits, true)]
    public async Task Generate_PrefilledPromptThatDevicesFailOn_EndsAfterPrefillAndDecodeDevice(FaultStage stage, bool spoils)
    {
        await using GridCluster cluster = await Split();
        FaultRun run = await FaultRun.Prepare(cluster);
        Strike(cluster, new Fault(stage, FaultRun.Poison, spoils));
        await run.Disturb(() => run.AssertFails(FaultRun.Poisoned(inPrompt: true)));

        Assert.All(cluster.Silos, silo => Assert.True(cluster.DeviceOf(silo).Struck > 0));
        AssertTrusted(cluster);
        await run.AssertAllServe();
    }

    [Fact]
    public async Task Generate_PromptThatThePrefillDeviceFailsOn_ComputedByTheDecodeDeviceAndTheOtherStaysTrusted()
    {
        await using GridCluster cluster = await Split();
        FaultRun run = await FaultRun.Prepare(cluster);
        cluster.DeviceOf(SiloOf(cluster, DeviceRole.Prefill)).Fault = new Fault(FaultStage.Logits, FaultRun.Poison, Spoils: true);
        await run.Disturb(async () =>
        {
            for (int i = 0; i < 4; i++)
            {
                Assert.Equal(40, (await cluster.Run(FaultRun.Poisoned(inPrompt: true, i))).Tokens.Length);
            }
        });

        // Once, or twice where nothing of the prompt was announced before.
        Assert.True(cluster.DeviceOf(SiloOf(cluster, DeviceRole.Prefill)).Struck is >= 4 and <= 8, cluster.Service<HandoverPlanner>(SiloOf(cluster, DeviceRole.Decode)).Snapshot().ToString());
        AssertTrusted(cluster);
        await run.AssertAllServe();
    }

    [Fact]
    public async Task GetStatus_DeviceThatFailedAndCameBack_ShowsWhatHappened()
    {
        await using GridCluster cluster = await GridCluster.Start(1);
        using MeterListener metrics = new();
        double recovery = 0;
        string device = cluster.Service<LocalDevice>(cluster.Silos[0]).Identity.Id;
        metrics.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "servinggrid_engine_last_recovery_seconds")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        metrics.SetMeasurementEventCallback<double>(
            (_, value, labels, _) => recovery = Math.Max(recovery, labels.Contains(new("engine", device)) ? value : 0));
        metrics.Start();
        GenerateRequest request = GridCluster.Request(GridCluster.Prompt(30, 900), 20);
        int[] expected = (await cluster.Run(request)).Tokens;

        // A step, the same for its only sequence, and the probe: nobody is to blame, and the engine comes back.
        Strike(cluster, new Fault(FaultStage.BeginStep) { Times = 3 });
        Assert.Equal(expected, (await cluster.Run(request with { RequestId = "again" })).Tokens);

        EngineTroubles? troubles = null;
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (troubles is not { Recoveries: 1 })
        {
            await Task.Delay(50, limit.Token);
            troubles = (await cluster.Client.GetStatusAsync(limit.Token)).Devices.Single().Details?.Engine;
        }

        Assert.Equal((2, 0, 0), (troubles.FailedSteps, troubles.TransientFailures, troubles.BlamedSequences));
        Assert.InRange(troubles.LastRecoverySeconds, double.Epsilon, 60);
        Assert.Contains("injected", troubles.LastFailure);
        metrics.RecordObservableInstruments();
        Assert.Equal(troubles.LastRecoverySeconds, recovery);
    }

    /// <summary>A sequence that waits for room on a device that fails is like one that computes there.</summary>
    [Fact]
    public async Task Generate_DeviceFailsWhileARequestWaitsForAReservation_NotTheRequestsFault()
    {
        WorkerOptions options = Always with { MaxSequences = 1 };
        await using GridCluster cluster = await GridCluster.Start(2, index => options with { Role = index == 0 ? DeviceRole.Decode : DeviceRole.Prefill });
        InferenceEngine engine = cluster.EngineOf(SiloOf(cluster, DeviceRole.Decode));
        SequenceHandle running = engine.Submit(new SequenceRequest { Id = "running", Prompt = GridCluster.Prompt(20), MaxTokens = 1900, IgnoreEos = true }).Accepted!;
        IRequestGrain grain = cluster.Grains.GetGrain<IRequestGrain>($"waiting/{Guid.NewGuid():N}");
        Client.Placement.PlacementHints.Set(GridCluster.Model, 20, [], []);
        Task<List<GenerateUpdate>> waiting = grain.Generate(new GenerateAttempt { Request = GridCluster.Request(GridCluster.Prompt(20, 2), 5) }).ToListAsync().AsTask();
        Client.Placement.PlacementHints.Clear();
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (engine.Status.Waiting == 0)
        {
            await Task.Delay(1, limit.Token);
        }

        cluster.DeviceOf(SiloOf(cluster, DeviceRole.Decode)).Fault = new Fault(FaultStage.BeginStep);
        GridException failure = await Assert.ThrowsAsync<GridException>(() => waiting.WaitAsync(TimeSpan.FromMinutes(1)));

        Assert.Equal(GridError.Unavailable, failure.Error);
        running.Cancel();
    }

    private static readonly WorkerOptions Always = GridCluster.Options with { Disaggregation = new DisaggregationOptions { Mode = DisaggregationMode.Always } };

    private static Task<GridCluster> Split() => GridCluster.Start(2, index => Always with { Role = index == 0 ? DeviceRole.Decode : DeviceRole.Prefill });

    private static InProcessSiloHandle SiloOf(GridCluster cluster, DeviceRole role) => cluster.Silos.Single(silo => cluster.Service<LocalDevice>(silo).Role == role);

    private static void Strike(GridCluster cluster, Fault fault)
    {
        foreach (InProcessSiloHandle silo in cluster.Silos)
        {
            cluster.DeviceOf(silo).Fault = fault;
        }
    }

    /// <summary>The prefill device is not held to account for prompts that fail anywhere.</summary>
    private static void AssertTrusted(GridCluster cluster) =>
        Assert.Empty(cluster.Service<PrefillBreaker>(SiloOf(cluster, DeviceRole.Decode)).Read());
}
