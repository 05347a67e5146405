using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class ModelCatalogTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _time = new();
    private readonly List<SiloAddress> _silos = [Silo(1)];
    private readonly ModelCatalog _catalog;

    public ModelCatalogTests()
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        _catalog = new ModelCatalog(() => _silos, _time);
    }

    [Fact]
    public async Task GetModels_NobodyAnnouncesItAnyMore_ForgottenAfterItsLease()
    {
        Announce(1, "a");
        _time.Advance(ModelCatalog.Lease - TimeSpan.FromMilliseconds(1));
        Assert.Single(Announce(1, "a").Models);

        _time.Advance(ModelCatalog.Lease);
        Assert.Empty(await _catalog.GetModels());
        Assert.Null(_catalog.Find("a"));
    }

    [Fact]
    public void Find_Unknown_UnavailableUntilEverySiloMayHaveAnnounced()
    {
        Assert.Equal(GridError.Unavailable, Assert.Throws<GridException>(() => _catalog.Find("a")).Error);
        _time.Advance(ModelCatalog.LearningTime);
        Assert.Null(_catalog.Find("a"));
    }

    [Fact]
    public async Task Announce_OnlySilo_CompleteAtOnce()
    {
        Assert.True(Announce(1, "a").IsComplete);
        Assert.Equal("a", Assert.Single(await _catalog.GetModels()).Name);
        Assert.Null(_catalog.Find("b"));
    }

    [Fact]
    public async Task GetModels_CatalogBeginsAnew_WaitsForTheSilosThatHaveNotAnnounced()
    {
        _silos.Add(Silo(2));
        Task<IReadOnlyList<ModelCard>> models = _catalog.GetModels();
        Assert.False(Announce(1, "a").IsComplete);
        Assert.Equal(GridError.Unavailable, Assert.Throws<GridException>(() => _catalog.Find("b")).Error);
        Assert.False(models.IsCompleted);

        Assert.True(Announce(2, "b").IsComplete);
        Assert.Equal(["a", "b"], (await models.WaitAsync(Patience)).Select(model => model.Name));
    }

    [Fact]
    public async Task GetModels_ASiloIsSilent_AnswersAfterTheLearningTime()
    {
        _silos.Add(Silo(2));
        Assert.False(Announce(1, "a").IsComplete);
        Task<IReadOnlyList<ModelCard>> models = _catalog.GetModels();
        Assert.False(models.IsCompleted);

        _time.Advance(ModelCatalog.LearningTime);
        Assert.Equal("a", Assert.Single(await models.WaitAsync(Patience)).Name);
        Assert.True(Announce(1, "a").IsComplete);
    }

    [Fact]
    public async Task Announce_SiloThatKnewTheOthers_CompleteAtOnce()
    {
        _silos.AddRange([Silo(2), Silo(3)]);
        CatalogAnswer answer = _catalog.Announce(Card("a"), Silo(1), [Card("a"), Card("b"), Card("c")]);
        Assert.Equal(["a", "b", "c"], answer.Models.Select(model => model.Name));
        Assert.True(Announce(1, "a").IsComplete);
        Assert.Equal(3, (await _catalog.GetModels().WaitAsync(Patience)).Count);

        // What is only told of lasts no longer than what is announced.
        _time.Advance(ModelCatalog.Lease);
        Assert.Equal("b", Assert.Single(Announce(2, "b").Models).Name);
    }

    [Fact]
    public void Announce_SiloTellsACompleteCatalog_NothingIsLearnedFromIt()
    {
        Announce(1, "a");
        Assert.Equal("a", Assert.Single(_catalog.Announce(Card("a"), Silo(1), [Card("gone")]).Models).Name);
    }

    [Fact]
    public void Announce_YoungerSilo_TheOldestDateStays()
    {
        Announce(1, "a");
        ModelCard later = Card("a") with { Created = DateTimeOffset.UnixEpoch.AddDays(1) };
        Assert.Equal(DateTimeOffset.UnixEpoch, Assert.Single(_catalog.Announce(later, Silo(2), null).Models).Created);
    }

    private static SiloAddress Silo(int number) => FakeDevices.Identity(number).Silo;

    private static ModelCard Card(string name) => FakeDevices.Identity(1).Model with { Name = name };

    private CatalogAnswer Announce(int silo, string model) => _catalog.Announce(Card(model), Silo(silo), null);
}
