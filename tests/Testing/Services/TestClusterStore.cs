using System.Globalization;
using Xunit;

namespace ServingGrid.Testing.Services;

/// <summary>A membership store for one test, with how an operator would name it.</summary>
public sealed class TestClusterStore : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private ServerProcess? _server;
    private Func<Task<ServerProcess>>? _start;

    private TestClusterStore()
    {
    }

    /// <summary>"file:…", "redis:…" or "azure-table:…".</summary>
    public string Cluster { get; private set; } = "";

    /// <summary>False for the file, which has no server that could go down.</summary>
    public bool HasServer => _start is not null;

    /// <summary>Kinds that can be tested.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["file", "redis", "azure-table"];

    /// <summary>Starts a store of a kind; skips the test with the reason where its server is not installed.</summary>
    public static async Task<TestClusterStore> StartAsync(string kind)
    {
        var store = new TestClusterStore();
        try
        {
            await store.StartServerAsync(kind);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the server; what it was told stays on its disk.</summary>
    public async Task StopServerAsync()
    {
        if (_server is not null)
        {
            await _server.StopAsync();
            _server = null;
        }
    }

    /// <summary>Starts the server again, at the same address and over the same data.</summary>
    public async Task RestartServerAsync() => _server = await _start!();

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _folder.Dispose();
    }

    private async Task StartServerAsync(string kind)
    {
        int port = ServerProcess.FreePort();
        string portText = port.ToString(CultureInfo.InvariantCulture);
        switch (kind)
        {
            case "file":
                Cluster = $"file:{Path.Combine(_folder.Path, "grid.db")}";
                return;
            case "redis":
                string? redis = ServerProcess.Find("redis-server");
                Assert.SkipWhen(redis is null, "redis-server is not installed (Debian package redis-server)");
                _start = () => ServerProcess.StartAsync(redis!, ["--port", portText, "--bind", "127.0.0.1", "--dir", _folder.Path, "--appendonly", "yes"], port);
                Cluster = $"redis:127.0.0.1:{port}";
                break;
            case "azure-table":
                string? node = ServerProcess.Find("node");
                string azurite = RepositoryRoot.Combine("tests", "azurite", "node_modules", "azurite", "dist", "src", "table", "main.js");
                Assert.SkipWhen(node is null, "node is not installed");
                Assert.SkipUnless(File.Exists(azurite), "Azurite is not installed (npm install in tests/azurite)");
                _start = () => ServerProcess.StartAsync(
                    node!,
                    [azurite, "--tableHost", "127.0.0.1", "--tablePort", portText, "--location", _folder.Path, "--skipApiVersionCheck", "--disableTelemetry", "--silent"],
                    port);

                // The emulator's account and key are the same everywhere and documented: no secret.
                Cluster = $"azure-table:DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;TableEndpoint=http://127.0.0.1:{port}/devstoreaccount1";
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a kind of store");
        }

        _server = await _start();
    }
}
