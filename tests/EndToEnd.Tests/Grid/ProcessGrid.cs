using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using ServingGrid.Client.Clustering;
using ServingGrid.Client.Hosting;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>A grid of silo processes on this machine and clients of it in this process; all of them end with it.</summary>
internal sealed class ProcessGrid(string cluster) : IAsyncDisposable
{
    private readonly List<SiloProcess> _silos = [];
    private readonly List<IHost> _clients = [];

    /// <summary>The silos started, dead ones included, in the order of their start.</summary>
    public IReadOnlyList<SiloProcess> Silos
    {
        get
        {
            lock (_silos)
            {
                return [.. _silos];
            }
        }
    }

    /// <summary>Where they meet.</summary>
    public string Cluster => cluster;

    /// <summary>Model file of the silos that are started from here on.</summary>
    public string Model { get; init; } = ModelFiles.Bundled;

    /// <summary>The model's name for requests.</summary>
    public string ModelName => Path.GetFileNameWithoutExtension(Model);

    /// <summary>What its members prove to each other; silos have it from their launcher.</summary>
    public string Secret { get; init; } = "";

    /// <summary>Starts a silo with one thread.</summary>
    public Task<SiloProcess> StartSiloAsync(string role, params string[] arguments) => StartSiloInAsync([], role, arguments);

    /// <summary>Starts a silo under a launcher.</summary>
    public async Task<SiloProcess> StartSiloInAsync(string[] launcher, string role, params string[] arguments)
    {
        SiloProcess silo = await SiloProcess.StartAsync(
            launcher, role, ["--model", Model, "--cluster", cluster, "--threads", "1", "--kv-memory-mib", "128", .. arguments]);
        lock (_silos)
        {
            _silos.Add(silo);
        }

        return silo;
    }

    /// <summary>An external client with connections of its own.</summary>
    public async Task<IHost> ConnectAsync()
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleansClient(client => client.UseServingGridCluster(ClusterStore.TryParse(cluster, out _)! with { Secret = Secret }));
        builder.Services.AddServingGridClient();
        IHost host = builder.Build();
        lock (_clients)
        {
            _clients.Add(host);
        }

        await host.StartAsync();
        return host;
    }

    /// <summary>What all silos printed: the reason, when something went wrong.</summary>
    public string Output => string.Join("\n", Silos.Select(silo => $"--- {silo.Device}{(silo.HasExited ? " (ended)" : "")}\n{silo.Output}"));

    public async ValueTask DisposeAsync()
    {
        // Clients first, or they go on reconnecting; in parallel, or each waits for silos that are gone.
        await Task.WhenAll(_clients.Select(StopAsync));
        foreach (SiloProcess silo in Silos)
        {
            await silo.DisposeAsync();
        }
    }

    private static async Task StopAsync(IHost client)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            await client.StopAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            // It waited for a silo that the test has killed.
        }

        client.Dispose();
    }
}
