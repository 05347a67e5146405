using System.Diagnostics;
using System.Diagnostics.Metrics;
using ServingGrid.Client;
using ServingGrid.Client.Chat;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Cluster;

[Collection(nameof(SingleSilo))]
public sealed class SingleSiloTests(SingleSilo silo)
{
    private readonly GridCluster _cluster = silo.Cluster;

    [Fact]
    public async Task Generate_TwiceGreedy_SameTokensAndCachedPrefix()
    {
        int[] prompt = GridCluster.Prompt(100);
        (int[] first, TextUpdate end) = await _cluster.Run(GridCluster.Request(prompt, 20));
        (int[] second, TextUpdate again) = await _cluster.Run(GridCluster.Request(prompt, 20));

        Assert.Equal(20, first.Length);
        Assert.Equal(first, second);
        Assert.Equal(FinishReason.Length, end.Finish);
        Assert.Equal(new GenerateUsage { PromptTokens = 100, CachedTokens = 0, CompletionTokens = 20 }, end.Usage);
        Assert.Equal(96, again.Usage!.CachedTokens);
        await _cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_NoSeed_TwoRunsDiffer()
    {
        GenerateRequest request = GridCluster.Request(GridCluster.Prompt(10, 2), 40) with { Sampling = new SamplingOptions { Temperature = 1.5f } };

        Assert.NotEqual((await _cluster.Run(request)).Tokens, (await _cluster.Run(request)).Tokens);
    }

    [Fact]
    public async Task Generate_StopString_EndsBeforeItWithUsage()
    {
        GenerateRequest request = GridCluster.Request(GridCluster.Prompt(10, 3), 60);
        string all = string.Concat(await Texts(request));
        string stop = all.Substring(all.Length / 2, 3);
        List<TextUpdate> updates = await _cluster.Client.GenerateAsync(request with { StopStrings = [stop] }).ToListAsync();

        Assert.Equal(all[..all.IndexOf(stop, StringComparison.Ordinal)], string.Concat(updates.Select(update => update.Text)));
        Assert.Equal(FinishReason.Stop, updates[^1].Finish);
        Assert.Equal(updates.Sum(update => update.Tokens.Count), updates[^1].Usage!.CompletionTokens);
        await _cluster.AssertIdle();
    }

    [Fact]
    public Task Generate_Cancelled_StopsTheEngineAndBlocksComeBack() => AssertStopsEarly(async request =>
    {
        using CancellationTokenSource cancellation = new();
        int seen = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (TextUpdate _ in _cluster.Client.GenerateAsync(request, cancellation.Token))
            {
                if (++seen == 3)
                {
                    await cancellation.CancelAsync();
                }
            }
        });
    });

    [Fact]
    public Task Generate_EnumerationLeft_StopsTheEngineAndBlocksComeBack() => AssertStopsEarly(async request =>
    {
        await foreach (TextUpdate _ in _cluster.Client.GenerateAsync(request))
        {
            break;
        }
    });

    [Fact]
    public async Task Generate_Cancelled_CountedAsAborted()
    {
        long aborted = 0;
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == "vllm:request_success_total")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) => Interlocked.Add(ref aborted, tags.ToArray().Any(tag => tag.Key == "finished_reason" && Equals(tag.Value, "abort")) ? value : 0));
        listener.Start();

        // A sequence that waits cannot end by itself first.
        Reservation[] places = await TakeAllPlaces(_cluster.Engines.Single());
        using CancellationTokenSource stop = new();
        Task waiting = _cluster.Run(GridCluster.Request(GridCluster.Prompt(20, 32), 5), stop.Token);
        await Until(() => _cluster.Engines.Single().Status.Waiting == 1);
        long before = Interlocked.Read(ref aborted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Until(() => Interlocked.Read(ref aborted) > before);
        Release(places);
        await _cluster.AssertIdle();
    }

    /// <summary>Whatever a request does to its process, the client knows by then where it is.</summary>
    [Fact]
    public async Task Generate_FirstItem_SaysWhereBeforeTheEngineHasTheRequest()
    {
        InferenceEngine engine = _cluster.Engines.Single();
        Reservation[] places = await TakeAllPlaces(engine);
        IRequestGrain grain = _cluster.Grains.GetGrain<IRequestGrain>($"placed/{Guid.NewGuid():N}");
        GenerateAttempt attempt = new() { Request = GridCluster.Request(GridCluster.Prompt(20, 33), 1) };
        await using (IAsyncEnumerator<GenerateUpdate> items = grain.Generate(attempt).GetAsyncEnumerator())
        {
            Assert.True(await items.MoveNextAsync());
            Assert.Equal(_cluster.Silos.Single().SiloAddress, items.Current.Placed);
            Assert.NotNull(items.Current.Device);

            // Orleans runs ahead of its client if the item lets it.
            await Task.Delay(500);
            Assert.Equal(0, engine.Status.Waiting);
            Task<bool> next = items.MoveNextAsync().AsTask();
            await Until(() => engine.Status.Waiting == 1);
            Assert.True(await next);
            Assert.Null(items.Current.Placed);
        }

        Release(places);
        await _cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_ClientAsksNoMore_TheEngineIsToldWithinSeconds()
    {
        InferenceEngine engine = _cluster.Engines.Single();
        Reservation[] places = await TakeAllPlaces(engine);
        IRequestGrain grain = _cluster.Grains.GetGrain<IRequestGrain>($"orphan/{Guid.NewGuid():N}");
        await using IAsyncEnumerator<GenerateUpdate> items = grain.Generate(new GenerateAttempt { Request = GridCluster.Request(GridCluster.Prompt(20, 31), 1) }).GetAsyncEnumerator();
        Assert.True(await items.MoveNextAsync());
        Assert.True(await items.MoveNextAsync());
        await Until(() => engine.Status.Waiting == 1);

        // Orleans itself forgets a stream that nobody reads after half a minute.
        await Until(() => engine.Status.Waiting == 0, TimeSpan.FromSeconds(25));
        Release(places);
        await _cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_QueueFull_OverloadedAtOnceWithRetryAfter()
    {
        using CancellationTokenSource stop = new();
        InferenceEngine engine = _cluster.Engines.Single();
        Reservation[] places = await TakeAllPlaces(engine);
        Task waiting = _cluster.Run(GridCluster.Request(GridCluster.Prompt(20, 8), 5), stop.Token);
        await Until(() => engine.Status.Waiting == 1);

        // No place becomes free meanwhile: a request that were parked would not end.
        GridException refused = await Assert.ThrowsAsync<GridException>(() => _cluster.Run(GridCluster.Request(GridCluster.Prompt(20), 5)).WaitAsync(TimeSpan.FromSeconds(60)));
        await stop.CancelAsync();

        Assert.Equal(GridError.Overloaded, refused.Error);
        Assert.True(refused.RetryAfter > TimeSpan.Zero);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Release(places);
        await _cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_WhileItWaits_HeartbeatsEvery500Milliseconds()
    {
        using CancellationTokenSource stop = new();
        Reservation[] places = await TakeAllPlaces(_cluster.Engines.Single());
        IRequestGrain grain = _cluster.Grains.GetGrain<IRequestGrain>($"heartbeat/{Guid.NewGuid():N}");
        List<TimeSpan> gaps = [];
        long last = Stopwatch.GetTimestamp();
        GenerateAttempt attempt = new() { Request = GridCluster.Request(GridCluster.Prompt(20, 30), 1) };
        await foreach (GenerateUpdate update in grain.Generate(attempt, stop.Token))
        {
            if (update.Tokens.Count > 0 || update.Finish is not null)
            {
                break;
            }

            gaps.Add(Stopwatch.GetElapsedTime(last));
            last = Stopwatch.GetTimestamp();
            if (gaps.Count == 3)
            {
                await stop.CancelAsync();
                break;
            }
        }

        // The shortest: the machine may be busy with other tests for much longer than a gap.
        Assert.Equal(3, gaps.Count);
        Assert.InRange(gaps.Min(), TimeSpan.Zero, TimeSpan.FromMilliseconds(900));
        Release(places);
        await _cluster.AssertIdle();
    }

    [Theory]
    [InlineData(3000, 1, "prompt")]
    [InlineData(100, 2000, "max_tokens")]
    public async Task Generate_TooLong_InvalidRequestNamesTheField(int prompt, int maxTokens, string parameter)
    {
        GridException refused = await Assert.ThrowsAsync<GridException>(() => _cluster.Run(GridCluster.Request(GridCluster.Prompt(prompt), maxTokens)));

        Assert.Equal(GridError.InvalidRequest, refused.Error);
        Assert.Equal(parameter, refused.Parameter);
    }

    [Fact]
    public async Task ChatClient_StreamedAndNot_SameAnswer()
    {
        using GridChatClient chat = new(_cluster.Client);
        Microsoft.Extensions.AI.ChatMessage[] messages = [new(Microsoft.Extensions.AI.ChatRole.User, "What is the capital of France?")];
        Microsoft.Extensions.AI.ChatOptions options = new() { Temperature = 0, MaxOutputTokens = 60 };
        Microsoft.Extensions.AI.ChatResponse whole = await chat.GetResponseAsync(messages, options);
        string streamed = string.Concat((await chat.GetStreamingResponseAsync(messages, options).ToListAsync()).Select(update => update.Text));

        Assert.Contains("Paris", whole.Text);
        Assert.Equal(whole.Text, streamed);
        Assert.Equal(Microsoft.Extensions.AI.ChatFinishReason.Stop, whole.FinishReason);
        Assert.True(whole.Usage!.OutputTokenCount > 0);
    }

    [Fact]
    public async Task DeviceGrains_ByDeviceId_AnswerForTheirDevice()
    {
        string device = _cluster.Service<LocalDevice>(_cluster.Silos[0]).Identity.Id;

        Assert.Equal(DeviceState.Serving, (await _cluster.Grains.GetGrain<IDecodeGrain>(device).GetLoad()).State);
        Assert.Equal(DeviceRole.Both, (await _cluster.Grains.GetGrain<IPrefillGrain>(device).GetLoad()).Role);
        GridException absent = await Assert.ThrowsAsync<GridException>(() => _cluster.Grains.GetGrain<IDecodeGrain>("nowhere/cpu").GetLoad());
        Assert.Equal(GridError.Unavailable, absent.Error);
    }

    [Fact]
    public async Task GridView_AfterARequest_KnowsTheDeviceAndItsBlocks()
    {
        await _cluster.Run(GridCluster.Request(GridCluster.Prompt(200, 40), 2));
        GridView view = _cluster.Service<GridView>(_cluster.Silos[0]);
        await Until(() => view.Find(GridCluster.Model) is { IsFresh: true, BlockCount: >= 6 });

        Assert.Equal(_cluster.Silos[0].SiloAddress, Assert.Single(view.Find(GridCluster.Model)!.Devices).Identity.Silo);
    }

    /// <summary>Holds every place of the engine for as long as a test wants: sequences would end by themselves, the sooner the faster the machine is.</summary>
    private static async Task<Reservation[]> TakeAllPlaces(InferenceEngine engine)
    {
        var places = new Reservation[engine.Options.MaxSequences];
        for (int i = 0; i < places.Length; i++)
        {
            places[i] = (await engine.ReserveAsync(new SequenceRequest { Id = "place", Prompt = GridCluster.Prompt(20, 50 + i), MaxTokens = 5 }, TimeSpan.FromMinutes(1))).Accepted!;
        }

        return places;
    }

    private static void Release(Reservation[] places) => Array.ForEach(places, place => place.Release());

    private async Task<List<string>> Texts(GenerateRequest request) =>
        [.. (await _cluster.Client.GenerateAsync(request).ToListAsync()).Select(update => update.Text)];

    /// <summary>A request that is left early costs less than all of its tokens. Several tries: a loaded machine may let the engine finish before the client runs.</summary>
    private async Task AssertStopsEarly(Func<GenerateRequest, Task> leave)
    {
        InferenceEngine engine = _cluster.Engines.Single();
        long generated = 0;
        for (int i = 0; i < 5; i++)
        {
            GenerateRequest request = GridCluster.Request(GridCluster.Prompt(50, 60 + i), 1900);
            long before = engine.Status.GeneratedTokens;
            await leave(request);
            await _cluster.AssertIdle();
            generated = engine.Status.GeneratedTokens - before;
            if (generated < request.MaxTokens)
            {
                return;
            }
        }

        Assert.Fail($"the engine went on to the end: {generated} tokens");
    }

    private static async Task Until(Func<bool> condition, TimeSpan? within = null)
    {
        using CancellationTokenSource limit = new(within ?? TimeSpan.FromSeconds(60));
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, "The condition did not come true in time.");
            await Task.Delay(5);
        }
    }
}
