using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Core.Internal;
using Orleans.TestingHost;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Testing;
using ServingGrid.Testing.Faults;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>Silos in this process, each with an engine of its own over the bundled model, and a client of the grid.</summary>
internal sealed class GridCluster : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Worker> _workers = new();
    private readonly ConcurrentDictionary<string, FaultyDevice> _devices = new();
    private readonly InProcessTestCluster _cluster;

    private GridCluster(int silos, Func<int, WorkerOptions> options)
    {
        InProcessTestClusterBuilder builder = new((short)silos);
        int index = -1;
        builder.ConfigureSilo((silo, host) =>
        {
            WorkerOptions worker = options(Interlocked.Increment(ref index));
            host.AddServingGridWorker(worker, _ => WorkerOpening.Begin((_, _) => _workers.GetOrAdd(silo.SiloName, _ => Open(silo.SiloName, worker))), silo.SiloName);
        });
        _cluster = builder.Build();
    }

    public static string Model => "grid-tiny";

    public IGridClient Client { get; private set; } = null!;

    public IGrainFactory Grains => _cluster.Client;

    public IReadOnlyList<InProcessSiloHandle> Silos => _cluster.Silos;

    public IEnumerable<InferenceEngine> Engines => _workers.Values.Select(worker => worker.Engine);

    public static WorkerOptions Options { get; } = new() { ModelPath = ModelFiles.Bundled, Threads = 1, KvMemoryBytes = 32 << 20, ContextLength = 2048 };

    public static Task<GridCluster> Start(int silos, WorkerOptions? options = null) => Start(silos, _ => options ?? Options);

    public static async Task<GridCluster> Start(int silos, Func<int, WorkerOptions> options)
    {
        GridCluster cluster = new(silos, options);
        await cluster._cluster.DeployAsync();
        await cluster.AwaitViews();
        cluster.Client = cluster.Connect(new GridClientOptions());
        return cluster;
    }

    /// <summary>Another client of the grid.</summary>
    public GridClient Connect(GridClientOptions options) =>
        new(_cluster.Client, Microsoft.Extensions.Options.Options.Create(options), TimeProvider.System, NullLogger<GridClient>.Instance);

    /// <summary>A silo that has just joined is in the others' views with their next report only.</summary>
    private async Task AwaitViews()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        foreach (GridView view in Silos.Select(Service<GridView>))
        {
            while (view.Models.Sum(model => view.Find(model)?.Devices.Count) is var known && known != Silos.Count)
            {
                Assert.False(limit.IsCancellationRequested, $"{known} of {Silos.Count} devices are known");
                await Task.Delay(5, CancellationToken.None);
            }
        }
    }

    /// <summary>Ends a grain's activation, as the loss of its silo does: the next call begins anew.</summary>
    public static async Task Forget(IAddressable grain) => await grain.AsReference<IGrainManagementExtension>().DeactivateOnIdle();

    /// <summary>The device of a silo, for faults.</summary>
    public FaultyDevice DeviceOf(InProcessSiloHandle silo) => _devices[silo.Name];

    /// <summary>The engine of a silo.</summary>
    public InferenceEngine EngineOf(InProcessSiloHandle silo) => _workers[silo.Name].Engine;

    public T Service<T>(InProcessSiloHandle silo)
        where T : notnull => silo.ServiceProvider.GetRequiredService<T>();

    public async Task Kill(InProcessSiloHandle silo)
    {
        await _cluster.KillSiloAsync(silo);
        await _workers[silo.Name].DisposeAsync();
    }

    public static GenerateRequest Request(int[] prompt, int maxTokens, bool ignoreEos = true) => new()
    {
        RequestId = Guid.NewGuid().ToString("N"),
        Model = Model,
        Prompt = prompt,
        MaxTokens = maxTokens,
        IgnoreEos = ignoreEos,
        Sampling = new SamplingOptions { Temperature = 0 },
    };

    /// <summary>Deterministic tokens that are not special ones.</summary>
    public static int[] Prompt(int length, int seed = 1)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(300, 1500))];
    }

    public async Task<(int[] Tokens, TextUpdate End)> Run(GenerateRequest request, CancellationToken cancellation = default)
    {
        List<int> tokens = [];
        TextUpdate? end = null;
        await foreach (TextUpdate update in Client.GenerateAsync(request, cancellation))
        {
            tokens.AddRange(update.Tokens.Select(token => token.Token));
            end = update;
        }

        return ([.. tokens], end!);
    }

    /// <summary>Every engine gives all of its blocks back.</summary>
    public async Task AssertIdle()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        foreach (InferenceEngine engine in Engines.Where(engine => engine.Status.Health == EngineHealth.Serving))
        {
            while (engine.Status is not { Running: 0, Waiting: 0 } status || status.FreeBlocks != status.TotalBlocks)
            {
                Assert.False(limit.IsCancellationRequested, $"{engine.Status}");
                await Task.Delay(5);
            }
        }
    }

    private Worker Open(string silo, WorkerOptions options) =>
        Worker.Open(options, openDevice: id => _devices[silo] = new FaultyDevice(DeviceCatalog.Open(id, new CpuDeviceOptions { Threads = options.Threads })));

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        foreach (Worker worker in _workers.Values)
        {
            await worker.DisposeAsync();
        }
    }
}
