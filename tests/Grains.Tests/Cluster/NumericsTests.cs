using Orleans.TestingHost;
using ServingGrid.Client;
using ServingGrid.Client.Observability;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>
/// <c>cpu</c> beside <c>ilgpu-cpu</c> in one grid: every answer is that of one class of arithmetic, or says where it has gone on in
/// another. NumericsGridTests of EndToEnd.Tests does it with processes.
/// </summary>
public sealed class NumericsTests(MixedGrid mixed) : IClassFixture<MixedGrid>
{
    [Fact]
    public async Task Generate_DevicesOfTwoClasses_AnswersOfOneClassEach()
    {
        await using GridCluster cluster = await StartAsync();
        await Task.WhenAll(mixed.Differing.Select(async (request, i) =>
        {
            Answer answer = await ReadAsync(cluster.Client, request);
            string numerics = Assert.Single(answer.Classes);
            Assert.Equal(mixed.Answers(DeviceOf(cluster, numerics))[i], answer.Tokens);
            Assert.Empty(answer.ChangedFrom);
        }));
        GridStatus status = await cluster.Client.GetStatusAsync();

        Assert.Equal(2, status.Devices.Select(device => device.Numerics).Distinct().Count());
        Assert.All(status.Devices, device => Assert.StartsWith(device.Id.Split('/')[1] + "-v", device.Numerics));
    }

    /// <summary>Blocks have other names in each class, and the router knows both.</summary>
    [Fact]
    public async Task Generate_PromptAgain_FoundOnTheDeviceThatHasItWhateverItsClass()
    {
        await using GridCluster cluster = await StartAsync();
        for (int i = 0; i < mixed.Differing.Length; i++)
        {
            Answer first = await ReadAsync(cluster.Client, mixed.Differing[i]);
            await UntilAsync(cluster, known => known.BlockCount > i && known.Devices.All(device => device.Requests == 0));
            Answer second = await ReadAsync(cluster.Client, mixed.Differing[i] with { RequestId = $"again-{i}" });

            Assert.Equal(first.Classes, second.Classes);
            Assert.Equal(first.Tokens, second.Tokens);
            Assert.Equal((0, 32), (first.Usage!.CachedTokens, second.Usage!.CachedTokens));
        }
    }

    [Fact]
    public async Task Generate_PrefillSiloOfAnotherClass_PromptsAreComputedHere()
    {
        await using GridCluster cluster = await GridCluster.Start(2, i => mixed.Options(i == 0 ? MixedGrid.Cpu : MixedGrid.Gpu) with
        {
            Role = i == 0 ? DeviceRole.Decode : DeviceRole.Prefill,
            Disaggregation = new DisaggregationOptions { Mode = DisaggregationMode.Always },
        });
        for (int i = 0; i < mixed.Differing.Length; i++)
        {
            Assert.Equal(mixed.Answers(MixedGrid.Cpu)[i], (await cluster.Run(mixed.Differing[i])).Tokens);
        }

        Assert.Equal(0, cluster.EngineOf(SiloOf(cluster, MixedGrid.Gpu)).Status.ComputedPromptTokens);
    }

    /// <summary>
    /// A decode silo whose view is wrong, or that knows nothing of classes, gets nothing that it could not have computed.
    /// </summary>
    [Theory]
    [InlineData("another")]
    [InlineData(null)]
    public async Task Prefill_OrderOfAnotherClass_Refused(string? numerics)
    {
        await using GridCluster cluster = await GridCluster.Start(1, mixed.Options(MixedGrid.Cpu));
        DeviceIdentity device = cluster.Service<LocalDevice>(cluster.Silos[0]).Identity;
        PrefillOrder order = new()
        {
            Attempt = new GenerateAttempt { Request = mixed.Differing[0] },
            SkipTokens = 0,
            Target = new KvTarget("127.0.0.1:1", 1, 1),
            Numerics = numerics!,
        };
        IPrefillGrain grain = cluster.Grains.GetGrain<IPrefillGrain>(device.Id);

        GridException refused = await Assert.ThrowsAsync<GridException>(() => grain.Prefill(order, CancellationToken.None));
        Assert.Equal(GridError.Unavailable, refused.Error);
        Assert.Contains($"{device.Id} computes in numerics class {device.Numerics}", refused.Message);
        Assert.Equal(0, cluster.EngineOf(cluster.Silos[0]).Status.ComputedPromptTokens);
    }

    [Fact]
    public async Task Generate_LastSiloOfTheClassKilledAndItMayNotChange_EndsWithAnErrorThatSaysSo()
    {
        await using GridCluster cluster = await StartAsync();
        GridClient client = cluster.Connect(new GridClientOptions { RecoveryTimeout = TimeSpan.FromSeconds(8), HedgeAfter = null });
        Answer answer = await ReadUnderKillAsync(cluster, client);

        Assert.Equal(GridError.Unavailable, answer.Failure?.Error);
        Assert.Contains("no device of numerics class ilgpu-cpu-v", answer.Failure!.Message);
        Assert.Equal(mixed.Answers(MixedGrid.Gpu)[0][..answer.Tokens.Length], answer.Tokens);
    }

    [Fact]
    public async Task Generate_LastSiloOfTheClassKilledAndItMayChange_GoesOnInTheOtherAndSaysSo()
    {
        await using GridCluster cluster = await StartAsync();
        using PrometheusExporter metrics = new();
        Answer answer = await ReadUnderKillAsync(cluster, cluster.Connect(new GridClientOptions { AllowNumericsChange = true }));
        DeviceIdentity left = cluster.Service<LocalDevice>(SiloOf(cluster, MixedGrid.Cpu)).Identity;

        Assert.Null(answer.Failure);
        Assert.Equal(2, answer.Classes.Length);
        Assert.Equal(left.Numerics, answer.Classes[1]);
        Assert.Equal([answer.Classes[0]], answer.ChangedFrom);
        int[] begun = answer.Tokens[..answer.FirstChanged];
        Assert.Equal(mixed.Answers(MixedGrid.Gpu)[0][..begun.Length], begun);
        Assert.Equal(await ContinueAsync(cluster, begun), answer.Tokens[begun.Length..]);
        string labels = $"from=\"{answer.Classes[0]}\",model_name=\"{GridCluster.Model}\",to=\"{left.Numerics}\"";
        Assert.Contains($"servinggrid_numerics_changes_total{{{labels}}} 1", metrics.Render());
    }

    /// <summary>A second silo of the class goes on with the very tokens.</summary>
    [Fact]
    public async Task Generate_OneOfTwoSilosOfTheClassKilled_TheOtherGoesOnWithTheSameTokens()
    {
        await using GridCluster cluster = await GridCluster.Start(3, i => mixed.Options(i == 0 ? MixedGrid.Cpu : MixedGrid.Gpu));
        Answer answer = await ReadUnderKillAsync(cluster, cluster.Connect(new GridClientOptions { AllowNumericsChange = true }));

        Assert.Null(answer.Failure);
        Assert.Equal(mixed.Answers(MixedGrid.Gpu)[0], answer.Tokens);
        Assert.Single(answer.Classes);
    }

    private static InProcessSiloHandle SiloOf(GridCluster cluster, string device) =>
        cluster.Silos.First(silo => cluster.Service<LocalDevice>(silo).Identity.Id.EndsWith("/" + device, StringComparison.Ordinal));

    private static string DeviceOf(GridCluster cluster, string numerics) =>
        cluster.Silos.Select(silo => cluster.Service<LocalDevice>(silo).Identity)
            .First(device => device.Numerics == numerics).Id.Split('/')[1];

    private static async Task UntilAsync(GridCluster cluster, Func<ModelView, bool> condition)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        foreach (GridView view in cluster.Silos.Select(cluster.Service<GridView>))
        {
            while (!condition(view.Find(GridCluster.Model)!))
            {
                await Task.Delay(5, limit.Token);
            }
        }
    }

    private static async Task<Answer> ReadAsync(IGridClient client, GenerateRequest request, Func<TextUpdate, Task>? onItem = null)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        List<int> tokens = [];
        List<string> classes = [];
        int changed = 0;
        TextUpdate? last = null;
        GridException? failure = null;
        try
        {
            await foreach (TextUpdate update in client.GenerateAsync(request, limit.Token))
            {
                if (update.Numerics is { } numerics && (classes.Count == 0 || classes[^1] != numerics))
                {
                    classes.Add(numerics);
                    changed = tokens.Count;
                }

                tokens.AddRange(update.Tokens.Select(token => token.Token));
                last = update;
                await (onItem?.Invoke(update) ?? Task.CompletedTask);
            }
        }
        catch (GridException exception)
        {
            failure = exception;
        }

        return new Answer([.. tokens], [.. classes], changed, last?.ChangedFrom ?? [], last?.Usage, failure);
    }

    /// <summary>What the silo that is left goes on with after tokens of another class.</summary>
    private async Task<int[]> ContinueAsync(GridCluster cluster, int[] begun)
    {
        GenerateAttempt attempt = new() { Request = mixed.Differing[0], Generated = begun };
        IRequestGrain grain = cluster.Grains.GetGrain<IRequestGrain>($"reference/{Guid.NewGuid():N}");
        List<GenerateUpdate> updates = await grain.Generate(attempt).ToListAsync();
        return [.. updates.SelectMany(update => update.Tokens).Select(token => token.Token)];
    }

    private Task<GridCluster> StartAsync() => GridCluster.Start(2, i => mixed.Options(i == 0 ? MixedGrid.Cpu : MixedGrid.Gpu));

    /// <summary>The first request on the slow class, whose silo is killed after the third token.</summary>
    private async Task<Answer> ReadUnderKillAsync(GridCluster cluster, GridClient client)
    {
        // The fast silo is busy, so that the request begins on the slow one.
        InferenceEngine cpu = cluster.EngineOf(SiloOf(cluster, MixedGrid.Cpu));
        SequenceRequest work = new() { Id = "busy", Prompt = GridCluster.Prompt(200), MaxTokens = 5 };
        Reservation busy = (await cpu.ReserveAsync(work, TimeSpan.FromMinutes(5))).Accepted!;
        await UntilAsync(cluster, known => known.Devices.Any(device => device.Load.Running > 0));
        int tokens = 0;
        bool killed = false;
        Answer answer = await ReadAsync(client, mixed.Differing[0], async update =>
        {
            tokens += update.Tokens.Count;
            if (tokens >= 3 && !killed)
            {
                killed = true;
                await cluster.Kill(cluster.Silos.First(silo => cluster.EngineOf(silo) != cpu && cluster.EngineOf(silo).Status.Running > 0));
            }
        });
        busy.Release();
        Assert.True(killed);
        return answer;
    }

    /// <summary>What a client saw.</summary>
    /// <param name="Tokens">In order.</param>
    /// <param name="Classes">In the order in which they came.</param>
    /// <param name="FirstChanged">Tokens before the last change of class.</param>
    /// <param name="ChangedFrom">What the last item said.</param>
    /// <param name="Usage">What the last item said.</param>
    /// <param name="Failure">What ended it.</param>
    private sealed record Answer(
        int[] Tokens, string[] Classes, int FirstChanged, IReadOnlyList<string> ChangedFrom, GenerateUsage? Usage, GridException? Failure);
}
