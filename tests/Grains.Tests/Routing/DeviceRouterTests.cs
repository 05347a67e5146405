using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Routing;

namespace ServingGrid.Grains.Tests.Routing;

public sealed class DeviceRouterTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly GridView _view;
    private readonly DeviceRouter _router;

    public DeviceRouterTests()
    {
        _view = new GridView(_time);
        _router = new DeviceRouter(_view, new KvAwarePolicy(), _time, NullLogger<DeviceRouter>.Instance);
    }

    private static RoutingQuery Query { get; } = new("m", 64, [], []);

    [Fact]
    public void ChooseDecode_OneHasThePrefix_ThatOne()
    {
        Apply([FakeDevices.Entry(1), FakeDevices.Entry(2), FakeDevices.Entry(3)], FakeDevices.Blocks(2, 1, 10, 11, 12));

        Assert.Equal("silo2/cpu", Choose(new RoutingQuery("m", 128, [10, 11, 12, 13], []))?.Identity.Id);
    }

    /// <summary>Devices of each class know the prompt's blocks by other names, and the client sends all.</summary>
    [Fact]
    public void ChooseDecode_PrefixHolderIsOfAnotherClass_ThatOne()
    {
        string[] classes = ["x", "y", "x"];
        DeviceEntry[] devices = [.. classes.Select((numerics, i) => FakeDevices.Entry(i + 1, numerics: numerics))];
        Apply(devices, FakeDevices.Blocks(2, 1, 20, 21), FakeDevices.Blocks(3, 2, 10));

        Assert.Equal("silo2/cpu", Choose(new RoutingQuery("m", 128, [10, 11], []) { OtherHashes = [[20, 21]] })?.Identity.Id);
    }

    [Fact]
    public void ChooseDecode_BoundToAClass_OnlyItsDevices()
    {
        Apply([FakeDevices.Entry(1, numerics: "x"), FakeDevices.Entry(2, FakeDevices.Load(running: 50, held: 900), numerics: "y")]);

        Assert.Equal("silo2/cpu", Choose(Query with { Numerics = "y", Avoid = ["silo2/cpu"] })?.Identity.Id);
        Assert.Null(Choose(Query with { Numerics = "z" }));
    }

    [Fact]
    public void ChooseDecode_PrefixHolderIsBusy_AnIdleOne()
    {
        Apply([FakeDevices.Entry(1, FakeDevices.Load(running: 20, pending: 4000, held: 600)), FakeDevices.Entry(2)], FakeDevices.Blocks(1, 1, 10, 11));

        Assert.Equal("silo2/cpu", Choose(new RoutingQuery("m", 128, [10, 11], []))?.Identity.Id);
    }

    [Fact]
    public void ChooseDecode_OnlyServingDecodeDevices_AreTaken()
    {
        Apply([
            FakeDevices.Entry(1, FakeDevices.Load(role: DeviceRole.Prefill)),
            FakeDevices.Entry(2, FakeDevices.Load(state: DeviceState.Draining)),
            FakeDevices.Entry(3, FakeDevices.Load(state: DeviceState.Failed)),
            FakeDevices.Entry(4, FakeDevices.Load(running: 50, held: 900)),
        ]);

        Assert.Equal("silo4/cpu", Choose(Query)?.Identity.Id);
    }

    [Fact]
    public void ChooseDecode_Avoided_OnlyWithoutAlternative()
    {
        Apply([FakeDevices.Entry(1), FakeDevices.Entry(2, FakeDevices.Load(running: 50, held: 900))]);

        Assert.Equal("silo2/cpu", Choose(Query with { Avoid = ["silo1/cpu"] })?.Identity.Id);
        Assert.NotNull(Choose(Query with { Avoid = ["silo1/cpu", "silo2/cpu"] }));
    }

    [Fact]
    public void ChooseDecode_SilentDevice_OnlyWithoutAlternative()
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        Apply([FakeDevices.Entry(1, age: TimeSpan.FromSeconds(2)), FakeDevices.Entry(2, FakeDevices.Load(running: 50, held: 900))]);
        Assert.Equal("silo2/cpu", Choose(Query)?.Identity.Id);

        Apply([FakeDevices.Entry(1, age: TimeSpan.FromSeconds(2))]);
        Assert.Equal("silo1/cpu", Choose(Query)?.Identity.Id);
    }

    [Fact]
    public void ChooseDecode_StateIsSilent_ItsSiloIsTheSuspect()
    {
        GridUpdate update = FakeDevices.Update([FakeDevices.Entry(1), FakeDevices.Entry(2, FakeDevices.Load(running: 50, held: 900))]);
        _view.Get("m").Apply(update with { Silo = FakeDevices.Identity(1).Silo });
        Assert.Equal("silo1/cpu", Choose(Query)?.Identity.Id);

        _time.Advance(ModelView.MaxAge + TimeSpan.FromMilliseconds(100));
        Assert.All(Enumerable.Range(0, 20), _ => Assert.Equal("silo2/cpu", Choose(Query)?.Identity.Id));
    }

    [Fact]
    public void ChooseDecode_BurstBetweenReports_SpreadsEvenly()
    {
        Apply([FakeDevices.Entry(1), FakeDevices.Entry(2), FakeDevices.Entry(3), FakeDevices.Entry(4)]);

        Assert.All(Enumerable.Range(0, 100).Select(_ => Choose(Query)!.Identity.Id).CountBy(id => id), device => Assert.Equal(25, device.Value));
    }

    [Fact]
    public void ChooseDecode_ReportAfterSending_CorrectionEnds()
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        Apply([FakeDevices.Entry(1)]);
        Choose(Query);
        Assert.Equal((1, 64), (_view.Find("m")!.Devices[0].SentRequests, _view.Find("m")!.Devices[0].Backlog.All));

        _time.Advance(TimeSpan.FromMilliseconds(50));
        Apply([FakeDevices.Entry(1)]);
        Assert.Equal(1, _view.Find("m")!.Devices[0].SentRequests);

        _time.Advance(TimeSpan.FromMilliseconds(200));
        Apply([FakeDevices.Entry(1, FakeDevices.Load(running: 1))]);
        Assert.Equal((0, 1), (_view.Find("m")!.Devices[0].SentRequests, _view.Find("m")!.Devices[0].Requests));
    }

    [Fact]
    public void ChooseDecode_OldView_StillChooses()
    {
        Apply([FakeDevices.Entry(1), FakeDevices.Entry(2)]);
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.False(_view.Find("m")!.IsFresh);
        Assert.NotNull(Choose(Query));
    }

    [Fact]
    public void ChooseDecode_NothingKnown_Null()
    {
        Assert.Null(Choose(Query));
        Apply([]);
        Assert.Null(Choose(Query));
        Apply([FakeDevices.Entry(1)]);
        Assert.Null(_router.ChooseDecode(Query, _ => false));
    }

    [Fact]
    public void ChoosePrefill_DeviceGone_ItsBlocksAreForgotten()
    {
        Apply([FakeDevices.Entry(1), FakeDevices.Entry(2)], FakeDevices.Blocks(1, 1, 10), FakeDevices.Blocks(2, 2, 10, 11));
        Apply([FakeDevices.Entry(1)]);

        Assert.Equal(1, _view.Find("m")!.BlockCount);
        Assert.Equal("silo1/cpu", _router.ChoosePrefill(Query, _ => true).Device?.Identity.Id);
    }

    [Fact]
    public void ChooseDecode_GridStateStartedAnew_WhatTheOldOneSaidIsForgotten()
    {
        Apply([FakeDevices.Entry(1), FakeDevices.Entry(2)], FakeDevices.Blocks(1, 1, 10, 11));
        _view.Get("m").Apply(FakeDevices.Update([FakeDevices.Entry(1), FakeDevices.Entry(2)], FakeDevices.Blocks(2, 1, 10)) with { Epoch = Guid.NewGuid() });

        Assert.Equal(1, _view.Find("m")!.BlockCount);
        Assert.Equal("silo2/cpu", Choose(new RoutingQuery("m", 128, [10, 11], []))?.Identity.Id);
    }

    [Fact]
    public void TakeCatalog_ModelMissingForAMoment_ItsViewBeginsAnew()
    {
        GridUpdate update = FakeDevices.Update([FakeDevices.Entry(1)], FakeDevices.Blocks(1, 1, 10)) with { Epoch = Guid.NewGuid(), Version = 7 };
        _view.Get("m").Apply(update);
        Assert.Equal((update.Epoch, 7), _view.Get("m").Position);

        // Nothing has been heard of it, and then it is there again.
        _time.Advance(ModelView.MaxAge + TimeSpan.FromMilliseconds(1));
        _view.TakeCatalog(new HashSet<string>(), isComplete: true);
        _view.TakeCatalog(new HashSet<string> { "m" }, isComplete: true);

        Assert.Equal((0, (Guid.Empty, 0L)), (_view.Get("m").BlockCount, _view.Get("m").Position));
    }

    private DeviceView? Choose(RoutingQuery query) => _router.ChooseDecode(query, _ => true);

    private void Apply(DeviceEntry[] devices, params BlockBatch[] blocks) => _view.Get("m").Apply(FakeDevices.Update(devices, blocks));
}
