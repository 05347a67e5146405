using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Cluster;
using ServingGrid.Grains.Tests.Routing;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class GridReporterTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _time = new();
    private readonly FakeGrid _grid = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly GridView _view;
    private readonly Worker _worker;
    private readonly LocalDevice _device;
    private readonly CatalogWatch _catalog;
    private readonly GridReporter _reporter;
    private Task _run = Task.CompletedTask;

    public GridReporterTests()
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        _view = new GridView(_time);
        _worker = Worker.Open(GridCluster.Options);
        _device = new LocalDevice(_worker, new SiloDetails());
        GridExchange exchange = new(_grid.Grains, _time);
        _catalog = new CatalogWatch(_grid.Grains, exchange, _device, _view, _time, NullLogger<CatalogWatch>.Instance);
        _reporter = new GridReporter(_grid.Grains, exchange, _catalog, _device, _view, _time, NullLogger<GridReporter>.Instance);
    }

    private FakeGrid.State Own => _grid.StateOf(GridCluster.Model);

    private FakeGrid.State Other => _grid.StateOf("other");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run.WaitAsync(Patience);
        await _worker.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task Run_CatalogDoesNotAnswer_ReportsGoOn()
    {
        _grid.Catalog.Answer = (_, _) => new TaskCompletionSource<CatalogAnswer>().Task;
        Start();
        await Until(() => Own.Asked >= 1 && _grid.Catalog.Asked == 1);
        await Steps(5, () => Own.Asked);

        // Nor do its calls pile up.
        Assert.Equal(1, _grid.Catalog.Asked);
    }

    [Fact]
    public async Task Run_AnotherModelsStateDoesNotAnswer_ReportsGoOnAndSoDoOtherModels()
    {
        _grid.Catalog.Answer = (model, _) => Task.FromResult(new CatalogAnswer([model, Card("other"), Card("third")], true));
        Other.Answer = _ => new TaskCompletionSource<GridUpdate>().Task;
        Start();
        await AdvanceUntil(() => Other.Asked == 1);
        await Until(() => _grid.StateOf("third").Asked >= 1);
        await Steps(4, () => Math.Min(Own.Asked, _grid.StateOf("third").Asked));

        Assert.Equal(1, Other.Asked);
    }

    [Fact]
    public async Task Run_OwnStateDoesNotAnswer_ModelsAreAnnouncedAndTheStateIsAskedAgain()
    {
        Own.Answer = _ => new TaskCompletionSource<GridUpdate>().Task;
        Start();
        await Until(() => Own.Asked == 1 && _grid.Catalog.Asked == 1);
        _time.Advance(CatalogWatch.Period);
        await Until(() => _grid.Catalog.Asked == 2);
        Assert.Equal(1, Own.Asked);
        await AdvanceUntil(() => Own.Asked >= 2);
    }

    [Fact]
    public async Task Run_ModelHasLeftTheCatalog_ItsStateIsAskedNoMore()
    {
        bool there = true;
        _grid.Catalog.Answer = (model, _) => Task.FromResult(new CatalogAnswer(there ? [model, Card("other")] : [model], true));
        Start();
        await AdvanceUntil(() => Other.Asked >= 2);
        there = false;
        await AdvanceUntil(() => _view.Find("other") is null);
        await AdvanceUntil(() => _catalog.Followed == 0);
        int asked = Other.Asked;
        await Steps(5, () => Own.Asked);
        Assert.Equal(asked, Other.Asked);
    }

    [Fact]
    public async Task Run_CatalogBeginsAnew_IsToldWhatThisSiloKnows()
    {
        _grid.Catalog.Answer = (model, _) => Task.FromResult(new CatalogAnswer([model, Card("other")], true));
        Start();
        await AdvanceUntil(() => _view.Find("other") is not null);
        IReadOnlyList<ModelCard>? told = null;
        _grid.Catalog.Answer = (model, known) => Task.FromResult(new CatalogAnswer(known ?? [model], (told ??= known) is not null));
        await AdvanceUntil(() => told is not null);

        Assert.Equal([GridCluster.Model, "other"], told!.Select(model => model.Name));
        Assert.NotNull(_view.Find("other"));
    }

    [Fact]
    public async Task Run_RefusedAfterItHasJoined_GoesOnAskingAsANewcomer()
    {
        await _reporter.Join(TimeSpan.FromSeconds(10), default).WaitAsync(Patience);
        Assert.Null(Own.Reports.First()!.AdmittedFor);
        _time.Advance(TimeSpan.FromHours(1));
        Own.Answer = _ => Task.FromResult(FakeDevices.Update([]) with { Refused = "It came after others." });
        int reports = Own.Asked;
        Start();
        await AdvanceUntil(() => Own.Asked >= reports + 3);

        Assert.Contains(Own.Reports, report => report!.AdmittedFor >= TimeSpan.FromHours(1));
        Assert.Null(Own.Reports.Last()!.AdmittedFor);
        Assert.False(_run.IsCompleted);
    }

    [Fact]
    public async Task Run_RefusedAfterItHasJoined_IsNoDeviceOfTheGridUntilItIsAcceptedAgain()
    {
        await _reporter.Join(TimeSpan.FromSeconds(10), default).WaitAsync(Patience);
        Own.Answer = _ => Task.FromResult(FakeDevices.Update([]) with { Refused = "It came after others." });
        _grid.Catalog.Models = [Card(GridCluster.Model), Card("other")];
        _run = Task.Run(() => _reporter.Run(_stop.Token));
        await AdvanceUntil(() => !_device.Serves(GridCluster.Model));
        Assert.Equal((DeviceState.Joining, "It came after others."), (_device.Load().State, _device.Load().Trouble));

        // It announces nothing, and learns all the same what others serve.
        await AdvanceUntil(() => _grid.Catalog.Read >= 1);
        int announced = _grid.Catalog.Asked;
        await AdvanceUntil(() => _grid.Catalog.Read >= 4);
        Assert.Equal(announced, _grid.Catalog.Asked);
        Assert.NotNull(_view.Find("other"));

        Own.Answer = _ => Task.FromResult(FakeDevices.Update([]));
        await AdvanceUntil(() => _device.Serves(GridCluster.Model));
        Assert.Null(_device.Load().Trouble);
        await AdvanceUntil(() => _grid.Catalog.Asked > announced);
    }

    [Fact]
    public async Task Join_Undecided_AsksAgainAndIsNotPartOfTheGridMeanwhile()
    {
        Own.Answer = report => Task.FromResult(FakeDevices.Update([]) with { Undecided = Own.Asked < 4 && report!.AdmittedFor is null });
        Task join = _reporter.Join(TimeSpan.FromSeconds(10), default);
        Assert.False(_device.Serves(GridCluster.Model));
        await AdvanceUntil(() => join.IsCompleted);
        await join;
        Assert.True(_device.Serves(GridCluster.Model));
        Assert.Equal(1, _grid.Catalog.Asked);
    }

    [Fact]
    public async Task Join_UndecidedForTooLong_SaysSo()
    {
        Own.Answer = _ => Task.FromResult(FakeDevices.Update([]) with { Undecided = true });
        Task join = _reporter.Join(TimeSpan.FromSeconds(5), default);
        await AdvanceUntil(() => join.IsCompleted);
        StartupException failure = await Assert.ThrowsAsync<StartupException>(() => join);
        Assert.Contains("does not say", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, _grid.Catalog.Asked);
    }

    [Fact]
    public async Task Join_Refused_ThrowsTheReason()
    {
        Own.Answer = _ => Task.FromResult(FakeDevices.Update([]) with { Refused = "It is of another kind." });
        Task join = _reporter.Join(TimeSpan.FromSeconds(5), default);
        StartupException failure = await Assert.ThrowsAsync<StartupException>(() => join.WaitAsync(Patience));
        Assert.Equal("It is of another kind.", failure.Message);
    }

    [Fact]
    public async Task Join_CatalogDoesNotAnswer_JoinsAllTheSame()
    {
        _grid.Catalog.Answer = (_, _) => new TaskCompletionSource<CatalogAnswer>().Task;
        Task join = _reporter.Join(TimeSpan.FromSeconds(10), default);
        await AdvanceUntil(() => join.IsCompleted);
        await join;
        Assert.True(_device.Serves(GridCluster.Model));
    }

    private static ModelCard Card(string name) => FakeDevices.Identity(1).Model with { Name = name };

    private void Start()
    {
        _device.Admit();
        _run = Task.Run(() => _reporter.Run(_stop.Token));
    }

    private static async Task Until(Func<bool> condition)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Patience, "It did not happen.");
            await Task.Delay(2);
        }
    }

    /// <summary>So many periods of reports, in each of which something is counted.</summary>
    private async Task Steps(int steps, Func<int> count)
    {
        for (int i = 0; i < steps; i++)
        {
            int counted = count();
            _time.Advance(GridReporter.Period);
            await Until(() => count() > counted);
        }
    }

    private Task AdvanceUntil(Func<bool> condition) => Until(() =>
    {
        if (condition())
        {
            return true;
        }

        _time.Advance(GridReporter.Period);
        return false;
    });

    private sealed class SiloDetails : ILocalSiloDetails
    {
        public string Name => "silo";

        public string ClusterId => "cluster";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress { get; } = SiloAddress.New(IPAddress.Loopback, 1, 1);

        public SiloAddress GatewayAddress => SiloAddress;
    }
}
