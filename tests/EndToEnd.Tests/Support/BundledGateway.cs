using ServingGrid.EndToEnd.Tests.Support;
using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(BundledGateway))]

// Tests observe block counts and latencies of processes that share this machine's cores.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>One gateway with the bundled model, for all tests that leave it as they found it.</summary>
public sealed class BundledGateway : IAsyncLifetime
{
    public const string Model = "grid-tiny";

    private GatewayProcess? _process;

    internal GatewayProcess Process => _process ?? throw new InvalidOperationException("Not started.");

    public async ValueTask InitializeAsync() => _process = await GatewayProcess.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }
    }
}
