namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>One silo for all tests of the collection; each test leaves it idle.</summary>
public sealed class SingleSilo : IAsyncLifetime
{
    internal GridCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cluster = await GridCluster.Start(1, GridCluster.Options with { MaxSequences = 2, MaxWaiting = 1 });

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();
}

[CollectionDefinition(nameof(SingleSilo))]
public sealed class SingleSiloCollection : ICollectionFixture<SingleSilo>;
