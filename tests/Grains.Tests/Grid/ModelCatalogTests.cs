using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class ModelCatalogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly ModelCatalogGrain _catalog;

    public ModelCatalogTests()
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        _catalog = new ModelCatalogGrain(_time);
    }

    [Fact]
    public async Task GetModels_NobodyAnnouncesItAnyMore_ForgottenAfterItsLease()
    {
        await _catalog.Announce(Card("a"));
        _time.Advance(ModelCatalogGrain.Lease - TimeSpan.FromMilliseconds(1));
        Assert.Single(await _catalog.Announce(Card("a")));

        _time.Advance(ModelCatalogGrain.Lease);
        Assert.Empty(await _catalog.GetModels());
        Assert.Null(await _catalog.FindModel("a"));
    }

    [Fact]
    public async Task FindModel_Unknown_UnavailableUntilEverySiloMayHaveAnnounced()
    {
        Assert.Equal(GridError.Unavailable, (await Assert.ThrowsAsync<GridException>(() => _catalog.FindModel("a"))).Error);
        _time.Advance(ModelCatalogGrain.LearningTime);
        Assert.Null(await _catalog.FindModel("a"));
    }

    [Fact]
    public async Task Announce_YoungerSilo_TheOldestDateStays()
    {
        await _catalog.Announce(Card("a"));
        ModelCard later = Card("a") with { Created = DateTimeOffset.UnixEpoch.AddDays(1) };
        Assert.Equal(DateTimeOffset.UnixEpoch, Assert.Single(await _catalog.Announce(later)).Created);
    }

    private static ModelCard Card(string name) => FakeDevices.Identity(1).Model with { Name = name };
}
