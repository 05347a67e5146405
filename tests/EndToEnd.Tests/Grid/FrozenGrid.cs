using Microsoft.Extensions.Hosting;
using ServingGrid.Client;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>One grid for the tests that stop its silos: three that decode, one that computes every prompt.</summary>
public sealed class FrozenGrid : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    internal ProcessGrid Grid { get; private set; } = null!;

    internal SiloProcess[] Decode { get; private set; } = [];

    internal SiloProcess Prefill { get; private set; } = null!;

    internal IHost[] Clients { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        Grid = new ProcessGrid($"file:{_folder.Combine("grid.db")}");
        string[] options = ["--disaggregation", "always", "--prefill-silence-ms", "1000", "--breaker-seconds", "1"];
        SiloProcess[] silos = await Task.WhenAll(((string[])["decode", "decode", "decode", "prefill"]).Select(role => Grid.StartSiloAsync(role, options)));
        (Decode, Prefill) = (silos[..3], silos[3]);
        Clients = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Grid.ConnectAsync()));
        await Clients[0].WaitForMembersAsync(silos.Length, TimeSpan.FromSeconds(30));
    }

    public async ValueTask DisposeAsync()
    {
        await Grid.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>Requests with prompts that nobody has computed before.</summary>
    internal GenerateRequest[] Requests(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i => GridRequests.Create(Grid.ModelName, GridRequests.Prompt(random.Next(40, 120), random), 24, i % 2 == 0 ? null : i))];
    }

    /// <summary>All requests at once, spread over the clients.</summary>
    internal Task<StreamResult[]> RunAtOnceAsync(GenerateRequest[] requests) =>
        Task.WhenAll(requests.Select((request, i) => Clients[i % Clients.Length].RunAsync(request)));
}
