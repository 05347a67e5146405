using ServingGrid.Client;
using ServingGrid.Grains.Workers;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>
/// A model for grids of two classes of arithmetic, <c>cpu</c> and <c>ilgpu-cpu</c>: of one small layer, because the second takes a hundred
/// times as long; and requests whose answers differ between the two.
/// </summary>
public sealed class MixedGrid : IAsyncLifetime
{
    /// <summary>Device of the class that quantises activations.</summary>
    public const string Cpu = "cpu";

    /// <summary>Device of the class that does not.</summary>
    public const string Gpu = "ilgpu-cpu";

    private const int Tokens = 12;
    private const int Requests = 4;

    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, int[][]> _answers = [];

    /// <summary>Sampled, with a full block of prompt each; the two classes answer them differently.</summary>
    internal GenerateRequest[] Differing { get; private set; } = [];

    /// <summary>Options of a worker on one of the two devices.</summary>
    internal WorkerOptions Options(string device) => GridCluster.Options with
    {
        ModelPath = _folder.Combine("small.gguf"),
        ModelName = GridCluster.Model,
        Device = device,
        ContextLength = 256,
    };

    /// <summary>What a device answers to <see cref="Differing"/> when it is alone.</summary>
    internal int[][] Answers(string device) => _answers[device];

    public async ValueTask InitializeAsync()
    {
        RandomModel.Write(_folder.Combine("small.gguf"), new RandomModelOptions
        {
            Shape = new RandomModelShape
            {
                Layers = 1,
                Width = 64,
                Heads = 2,
                KvHeads = 1,
                HeadSize = 32,
                FeedForward = 64,
                VocabularySize = 2048,
                ContextLength = 256,
                TiedEmbeddings = false,
            },
            GgmlType = GgmlType.Q8_0,
        });
        GenerateRequest[] candidates = [.. Enumerable.Range(0, 2 * Requests).Select(Candidate)];
        int[][] cpu = await RunAsync(Cpu, candidates);
        int[][] gpu = await RunAsync(Gpu, candidates);
        int[] differing = [.. Enumerable.Range(0, candidates.Length).Where(i => !cpu[i].SequenceEqual(gpu[i])).Take(Requests)];
        Assert.Equal(Requests, differing.Length);
        Differing = [.. differing.Select(i => candidates[i])];
        _answers[Cpu] = [.. differing.Select(i => cpu[i])];
        _answers[Gpu] = [.. differing.Select(i => gpu[i])];
    }

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    private static GenerateRequest Candidate(int seed) => GridCluster.Request(GridCluster.Prompt(34, seed), Tokens) with
    {
        Sampling = new SamplingOptions { Temperature = 2f, Seed = seed },
    };

    private async Task<int[][]> RunAsync(string device, GenerateRequest[] requests)
    {
        await using GridCluster cluster = await GridCluster.Start(1, Options(device));
        return [.. (await Task.WhenAll(requests.Select(request => cluster.Run(request)))).Select(run => run.Tokens)];
    }
}
