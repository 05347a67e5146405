using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using ServingGrid.Client.Clustering;
using ServingGrid.Client.Hosting;
using ServingGrid.Testing;

namespace ServingGrid.Client.Tests.Hosting;

public sealed class GridConnectionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Execute_ClientCannotStart_OneSentenceInTheLogAndAFailedTask()
    {
        using var folder = new TemporaryFolder();
        using var log = new RecordedLog();
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(log));
        var store = ClusterStore.TryParse($"file:{folder.Combine("grid.db")}", out _)!;
        var connection = new GridConnection(
            store,
            Options.Create(new GridClientOptions()),
            TimeProvider.System,
            loggers,
            client => client.Services.Insert(0, ServiceDescriptor.Singleton<IHostedService, Broken>()));

        await connection.StartAsync(CancellationToken.None);
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => connection.ExecuteTask!.WaitAsync(Patience));
        await connection.StopAsync(CancellationToken.None);

        Assert.StartsWith("No port is left.", failure.Message);
        string line = Assert.Single(log.Lines, line => line.StartsWith("Critical: ", StringComparison.Ordinal));
        Assert.Equal($"Critical: The client of the grid at {store.Display} cannot start: No port is left", line);
    }

    /// <summary>A part of the client that cannot start.</summary>
    private sealed class Broken : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => throw new InvalidOperationException("No port is left.\nDetails.");

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
