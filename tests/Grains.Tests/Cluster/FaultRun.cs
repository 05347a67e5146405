using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Testing.Faults;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>Streams of a cluster whose tokens are known, to run beside something that goes wrong.</summary>
internal sealed class FaultRun
{
    /// <summary>A token of the vocabulary that neither prompts nor undisturbed streams have.</summary>
    public const int Poison = 1999;

    private const int Streams = 8;
    private const int Tokens = 400;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly GridCluster _cluster;
    private readonly GenerateRequest[] _requests;
    private readonly int[][] _expected;

    private FaultRun(GridCluster cluster, GenerateRequest[] requests, int[][] expected) => (_cluster, _requests, _expected) = (cluster, requests, expected);

    /// <summary>Runs the streams undisturbed.</summary>
    public static async Task<FaultRun> Prepare(GridCluster cluster)
    {
        GenerateRequest[] requests = [.. Enumerable.Range(0, Streams).Select(i => GridCluster.Request(GridCluster.Prompt(20 + (13 * i), 100 + i), Tokens) with
        {
            Sampling = i % 2 == 0 ? new SamplingOptions { Temperature = 0 } : new SamplingOptions { Temperature = 0.9f, TopP = 0.95f, Seed = i },
        })];

        // A salt of its own: the blocks of the undisturbed run are of no use to the other.
        int[][] expected = await Task.WhenAll(requests.Select(async request => (await cluster.Run(request with { CacheSalt = "undisturbed" })).Tokens));
        Assert.DoesNotContain(Poison, expected.SelectMany(tokens => tokens));
        return new FaultRun(cluster, requests, expected);
    }

    /// <summary>A request whose prompt has <see cref="Poison"/>, or, by a bias, whose every token is it.</summary>
    public static GenerateRequest Poisoned(bool inPrompt, int seed = 1) => GridCluster.Request([.. GridCluster.Prompt(40, 700 + seed), .. inPrompt ? (int[])[Poison] : []], 40) with
    {
        Sampling = new SamplingOptions { Temperature = 0, LogitBias = inPrompt ? null : new Dictionary<int, float> { [Poison] = 100 } },
    };

    /// <summary>Something happens while all streams run: none of them fails, and all have the tokens of the undisturbed run.</summary>
    public async Task Disturb(Func<Task> something)
    {
        int[] counts = new int[Streams];
        Task<int[]>[] runs = [.. _requests.Select((request, i) => Count(request, counts, i))];
        using CancellationTokenSource limit = new(Patience);
        while (counts.Any(count => count < 3) && !runs.Any(run => run.IsFaulted))
        {
            await Task.Delay(2, limit.Token);
        }

        await something().WaitAsync(Patience);
        int[][] tokens = await Task.WhenAll(runs).WaitAsync(Patience);
        for (int i = 0; i < Streams; i++)
        {
            Assert.True(_expected[i].SequenceEqual(tokens[i]), $"Stream {i}: [{string.Join(' ', tokens[i])}], expected [{string.Join(' ', _expected[i])}]");
        }
    }

    /// <summary>The request ends as one that failed by itself, and says so.</summary>
    public async Task AssertFails(GenerateRequest request, string what = "")
    {
        Exception? failure = await Record.ExceptionAsync(() => _cluster.Run(request));
        Assert.True(failure is GridException { Error: GridError.RequestFailed }, $"{what}: {failure?.ToString() ?? "it was served"}");
        Assert.Contains(request.RequestId, failure!.Message);
    }

    /// <summary>Without faults from here on, every device serves again, with the same tokens.</summary>
    public async Task AssertAllServe()
    {
        using CancellationTokenSource limit = new(Patience);
        foreach (FaultyDevice device in _cluster.Silos.Select(_cluster.DeviceOf))
        {
            device.Fault = null;
        }

        foreach (InferenceEngine engine in _cluster.Engines)
        {
            while (engine.Status.Health != EngineHealth.Serving)
            {
                Assert.False(limit.IsCancellationRequested, $"{engine.Status.Health}: {engine.Status.Failure}");
                await Task.Delay(5, CancellationToken.None);
            }

            SequenceHandle handle = engine.Submit(new SequenceRequest { Id = "after", Prompt = _requests[0].Prompt, MaxTokens = 20, IgnoreEos = true }).Accepted!;
            List<int> tokens = [];
            await foreach (SequenceUpdate update in handle.Updates.ReadAllAsync(limit.Token))
            {
                tokens.AddRange(update.Token is { } token ? [token.Token] : []);
            }

            Assert.NotEmpty(tokens);
        }

        await _cluster.AssertIdle();
    }

    private async Task<int[]> Count(GenerateRequest request, int[] counts, int index)
    {
        List<int> tokens = [];
        await foreach (TextUpdate update in _cluster.Client.GenerateAsync(request))
        {
            tokens.AddRange(update.Tokens.Select(token => token.Token));
            counts[index] = tokens.Count;
        }

        return [.. tokens];
    }
}
