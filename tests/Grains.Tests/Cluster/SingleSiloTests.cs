using System.Diagnostics;
using System.Text.Json.Nodes;
using ServingGrid.Client;
using ServingGrid.Client.Chat;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>One silo for all tests of the class; each test leaves it idle.</summary>
public sealed class SingleSilo : IAsyncLifetime
{
    internal GridCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cluster = await GridCluster.Start(1, GridCluster.Options with { MaxSequences = 2, MaxWaiting = 1 });

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();
}

public sealed class SingleSiloTests(SingleSilo silo) : IClassFixture<SingleSilo>
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
    public async Task Generate_Cancelled_BlocksComeBackWithinASecond()
    {
        using CancellationTokenSource cancellation = new();
        GenerateRequest request = GridCluster.Request(GridCluster.Prompt(50, 4), 1900);
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

        await _cluster.AssertIdle(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Generate_EnumerationLeft_BlocksComeBackWithinASecond()
    {
        await foreach (TextUpdate _ in _cluster.Client.GenerateAsync(GridCluster.Request(GridCluster.Prompt(50, 5), 1900)))
        {
            break;
        }

        await _cluster.AssertIdle(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Generate_QueueFull_OverloadedAtOnceWithRetryAfter()
    {
        using CancellationTokenSource stop = new();
        InferenceEngine engine = _cluster.Engines.Single();
        Reservation[] places = await TakeAllPlaces(engine);
        Task waiting = _cluster.Run(GridCluster.Request(GridCluster.Prompt(20, 8), 5), stop.Token);
        await Until(() => engine.Status.Waiting == 1);

        long start = Stopwatch.GetTimestamp();
        GridException refused = await Assert.ThrowsAsync<GridException>(() => _cluster.Run(GridCluster.Request(GridCluster.Prompt(20), 5)));
        await stop.CancelAsync();

        Assert.Equal(GridError.Overloaded, refused.Error);
        Assert.True(refused.RetryAfter > TimeSpan.Zero);
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(2));
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

        Assert.Equal(3, gaps.Count);
        Assert.All(gaps, gap => Assert.True(gap < TimeSpan.FromMilliseconds(900), $"a gap of {gap.TotalMilliseconds:0} ms"));
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
    public async Task Generate_UnknownModel_ModelNotFound()
    {
        GridException refused = await Assert.ThrowsAsync<GridException>(
            () => _cluster.Run(GridCluster.Request(GridCluster.Prompt(5), 5) with { Model = "nobody" }));

        Assert.Equal(GridError.ModelNotFound, refused.Error);
    }

    [Fact]
    public async Task GetModelText_ManyUnknownModels_NoGrainForAnyOfThem()
    {
        for (int i = 0; i < 20; i++)
        {
            string name = $"nobody-{i}";
            GridException refused = await Assert.ThrowsAsync<GridException>(() => _cluster.Client.GetModelTextAsync(name));
            Assert.Equal(GridError.ModelNotFound, refused.Error);
        }

        DetailedGrainStatistic[] active = await _cluster.Grains.GetGrain<IManagementGrain>(0).GetDetailedGrainStatistics();
        Assert.Contains(active, grain => grain.GrainId.Key.ToString() == IModelCatalogGrain.Key);
        Assert.DoesNotContain(active, grain => grain.GrainId.Key.ToString()!.StartsWith("nobody", StringComparison.Ordinal));
    }

    [Fact]
    public async Task GetModels_OneSilo_ItsModel()
    {
        ModelCard card = Assert.Single(await _cluster.Client.GetModelsAsync());

        Assert.Equal((GridCluster.Model, 2048, 2048, 32), (card.Name, card.ContextLength, card.VocabularySize, card.BlockSize));
    }

    [Fact]
    public async Task GetModelText_FromHeader_TokenizesAndRendersChats()
    {
        ModelText text = await _cluster.Client.GetModelTextAsync(GridCluster.Model);
        int[] tokens = text.RenderChat([new JsonObject { ["role"] = "user", ["content"] = "Hello!" }]);

        Assert.True(text.HasChatTemplate);
        Assert.Contains("Hello!", System.Text.Encoding.UTF8.GetString(text.Tokenizer.Decode(tokens)));
        Assert.Same(text, await _cluster.Client.GetModelTextAsync(GridCluster.Model));
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

    private static async Task Until(Func<bool> condition)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(10));
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, "The condition did not come true in 10 s.");
            await Task.Delay(5);
        }
    }
}
