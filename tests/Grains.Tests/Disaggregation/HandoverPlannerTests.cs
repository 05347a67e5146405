using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Routing;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Disaggregation;

/// <summary>Where prompts go in auto mode: device 1 decodes and asks, devices 2 and 3 prefill. 1,000 tokens take a second and have 64 MB of KV.</summary>
public sealed class HandoverPlannerTests
{
    private const string Remote = "silo2/cpu";
    private const double BytesPerToken = 64_000;

    private readonly FakeTimeProvider _time = new();
    private readonly GridView _view;
    private readonly DisaggregationOptions _options = new();
    private readonly PrefillBreaker _breaker;
    private readonly TransferSpeeds _speeds;

    public HandoverPlannerTests()
    {
        _time.Advance(TimeSpan.FromMinutes(1));
        _view = new GridView(_time);
        _breaker = new PrefillBreaker(_options, _time, NullLogger<PrefillBreaker>.Instance);
        _speeds = new TransferSpeeds(_options, _time);
        Apply(Prefill());
    }

    [Fact]
    public void Decide_ShortPrompt_Local()
    {
        HandoverPlanner planner = New();
        Assert.Null(planner.Decide(Site(), Prompt(3)));
        Assert.Equal((0, 1, 0), (planner.Snapshot().Remote, planner.Snapshot().Local, planner.Snapshot().LocalFallback));
    }

    [Fact]
    public void Decide_LongPromptWhileOthersDecode_Remote()
    {
        HandoverPlanner planner = New();
        Assert.Equal(Remote, planner.Decide(Site(running: 4), Prompt(2000))?.Device.Identity.Id);
        HandoverSnapshot snapshot = planner.Snapshot();
        Assert.Equal((1, 0, 0), (snapshot.Remote, snapshot.Local, snapshot.LocalFallback));
        Assert.Equal(
            new HandoverInputs(2000, 0, 1000, 4, 2000, 0, 1000, 0, 2000 * BytesPerToken / 500e6, 512 * BytesPerToken / 500e6, 0, 0),
            snapshot.LastInputs);
    }

    /// <summary>What it would compute is not what the decode device would have computed.</summary>
    [Theory]
    [InlineData(DisaggregationMode.Auto)]
    [InlineData(DisaggregationMode.Always)]
    public void Decide_PrefillDeviceOfAnotherClass_Local(DisaggregationMode mode)
    {
        DeviceEntry entry = Prefill();
        Apply(entry with { Device = entry.Device with { Numerics = "another" } });
        HandoverPlanner planner = New(mode);

        Assert.Null(planner.Decide(Site(running: 4), Prompt(2000)));
        Assert.Null(planner.DecideAgain(Site(running: 4), Prompt(2000)));
    }

    [Fact]
    public void Decide_LongPromptAndBusyPrefillDevice_Local()
    {
        Apply(Prefill(pending: 50_000));
        Assert.Null(New().Decide(Site(running: 4), Prompt(2000)));
    }

    [Fact]
    public void Decide_ShortPromptThatOvertakesAtABusyPrefillDevice_Remote()
    {
        Apply(FakeDevices.Entry(2, Prefill(pending: 50_000).Load with { PendingAheadOf128 = 0 }));
        HandoverPlanner planner = New();
        Assert.NotNull(planner.Decide(Site(running: 4), Prompt(128)));

        // The step that has begun.
        Assert.Equal(128, planner.Snapshot().LastInputs!.Value.RemotePending);
        Assert.Null(planner.Decide(Site(running: 4), Prompt(129)));
    }

    [Fact]
    public void Decide_ShortPromptAfterALongOneThatWasSentJustNow_Remote()
    {
        HandoverPlanner planner = New();
        Assert.NotNull(planner.Decide(Site(running: 4), Prompt(2000)));
        Assert.NotNull(planner.Decide(Site(running: 4), Prompt(128)));
        Assert.Equal(128, planner.Snapshot().LastInputs!.Value.RemotePending);
        Assert.Equal((2, 2128), (Device(2).SentRequests, Device(2).Backlog.All));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1000, false)]
    [InlineData(250, true)]
    public void Decide_PromptGetsLittleOfEachStepBesideStreams_WaitsElsewhereRatherThanHere(double beside, bool remote)
    {
        Apply(Prefill(pending: 400));
        DecodeSite site = Site(running: 3);

        PrefillChoice? choice = New().Decide(site with { Load = site.Load with { PrefillTokensPerSecondBeside = beside } }, Prompt(128));

        Assert.Equal(remote, choice is not null);
    }

    [Fact]
    public void Decide_PrefillDeviceThatDecodesForMoreThanThisOne_Local()
    {
        Apply(FakeDevices.Entry(2, FakeDevices.Load(running: 20) with { PrefillTokensPerSecond = 1000 }));
        Assert.Null(New().Decide(Site(running: 4), Prompt(2000)));
        Apply(FakeDevices.Entry(2, FakeDevices.Load(running: 1) with { PrefillTokensPerSecond = 1000 }));
        Assert.NotNull(New().Decide(Site(running: 4), Prompt(2000)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(32)]
    public void Decide_EqualDevicesThatBothDecode_KeepTheirPrompts(int streams)
    {
        DeviceLoad load = FakeDevices.Load(streams) with { PrefillTokensPerSecond = 1000, PrefillTokensPerSecondBeside = 250 };
        Apply(FakeDevices.Entry(2, load));
        HandoverPlanner planner = New();

        Assert.Null(planner.Decide(Site() with { Load = load }, Prompt(2000)));
        Assert.Null(planner.Decide(new DecodeSite(FakeDevices.Identity(2), load, BytesPerToken, 512), Prompt(2000)));
        Assert.Equal((0, 2), (planner.Snapshot().Remote, planner.Snapshot().Local));
    }

    [Fact]
    public void Decide_PromptGetsMoreOfEachStepThere_Remote()
    {
        DeviceLoad load = FakeDevices.Load(4) with { PrefillTokensPerSecond = 1000, PrefillTokensPerSecondBeside = 250 };
        Apply(FakeDevices.Entry(2, load with { PrefillTokensPerSecondBeside = 500 }));
        PrefillChoice? choice = New().Decide(Site() with { Load = load }, Prompt(2000));

        // What its answer is expected to take counts what it gets there, too.
        Assert.InRange(choice!.Expected, TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(4.2));
    }

    [Fact]
    public void Decide_DecodingDeviceThatHasComputedNoPrompt_TakenToBeLikeThisOne()
    {
        DeviceLoad load = FakeDevices.Load(4) with { PrefillTokensPerSecond = 1000, PrefillTokensPerSecondBeside = 250 };
        Apply(FakeDevices.Entry(2, FakeDevices.Load(4)));
        Assert.Null(New().Decide(Site() with { Load = load }, Prompt(2000)));
        Assert.Null(New().Decide(Site() with { Load = FakeDevices.Load(4) }, Prompt(2000)));

        // One that decodes nothing is faster, measured or not.
        Apply(FakeDevices.Entry(2, FakeDevices.Load()));
        Assert.NotNull(New().Decide(Site() with { Load = load }, Prompt(2000)));
    }

    [Fact]
    public void Decide_SlowTransfer_LocalUntilItIsFast()
    {
        _speeds.Note(Remote, 1_000_000, TimeSpan.FromSeconds(1));
        HandoverPlanner planner = New();
        Assert.Null(planner.Decide(Site(running: 4), Prompt(2000)));
        for (int i = 0; i < 40; i++)
        {
            _speeds.Note(Remote, 1_000_000_000, TimeSpan.FromSeconds(1));
        }

        Assert.NotNull(planner.Decide(Site(running: 4), Prompt(2000)));
        Assert.InRange(Assert.Single(planner.Snapshot().Peers).TransferBytesPerSecond, 0.99e9, 1e9);
    }

    [Fact]
    public void Decide_TransferWasSlowLongAgo_TriedAgain()
    {
        _speeds.Note(Remote, 1_000_000, TimeSpan.FromSeconds(1));
        HandoverPlanner planner = New();
        Assert.Null(planner.Decide(Site(running: 4), Prompt(2000)));

        _time.Advance(_options.TransferHalfLife);
        Apply(Prefill());
        Assert.NotNull(planner.Decide(Site(running: 4), Prompt(2000)));

        // Still slow: the one prompt has said so.
        _speeds.Note(Remote, 1_000_000, TimeSpan.FromSeconds(1));
        Assert.Null(planner.Decide(Site(running: 4), Prompt(2000)));
    }

    [Fact]
    public void Decide_MostOfThePromptCachedHere_Local()
    {
        ulong[] chain = [.. Enumerable.Range(1, 62).Select(i => (ulong)i)];
        Apply(Prefill(), FakeDevices.Blocks(1, 1, chain[..61]));
        HandoverPlanner planner = New();
        Assert.Null(planner.Decide(Site(running: 0), Prompt(1985, chain)));
        Assert.Equal((33, 1985), (planner.Snapshot().LastInputs!.Value.LocalTokens, planner.Snapshot().LastInputs!.Value.RemoteTokens));
    }

    [Fact]
    public void Decide_PromptCachedThere_RemoteCostsNoComputation()
    {
        ulong[] chain = [.. Enumerable.Range(1, 62).Select(i => (ulong)i)];
        Apply(Prefill(), FakeDevices.Blocks(2, 1, chain));
        HandoverPlanner planner = New();
        Assert.NotNull(planner.Decide(Site(), Prompt(1985, chain)));
        Assert.Equal((1985, 1), (planner.Snapshot().LastInputs!.Value.LocalTokens, planner.Snapshot().LastInputs!.Value.RemoteTokens));
    }

    [Fact]
    public void Decide_Local_LeavesThePrefillDevicesQueueAsItWas()
    {
        HandoverPlanner planner = New();
        Assert.Null(planner.Decide(Site(), Prompt(3)));
        Assert.Equal(0, Device(2).SentRequests);
        planner.Decide(Site(running: 4), Prompt(2000));
        Assert.Equal((1, 2000), (Device(2).SentRequests, Device(2).Backlog.All));
    }

    [Fact]
    public void Decide_SilentPrefillDevice_IsNotAsked()
    {
        Apply(FakeDevices.Entry(2, Prefill().Load, age: _options.PrefillSilence + TimeSpan.FromSeconds(1)));
        HandoverPlanner planner = New(DisaggregationMode.Always);
        Assert.True(planner.IsSilent("m", Remote));
        Assert.Null(planner.Decide(Site(), Prompt(2000)));
        Assert.Equal(1, planner.Snapshot().LocalFallback);
    }

    [Fact]
    public void Decide_PrefillDeviceSilentForASecond_IsNotAskedButNotGivenUp()
    {
        Apply(FakeDevices.Entry(2, Prefill().Load, age: ModelView.MaxReportAge + TimeSpan.FromMilliseconds(100)));
        HandoverPlanner planner = New(DisaggregationMode.Always);
        Assert.False(planner.IsSilent("m", Remote));
        Assert.Null(planner.Decide(Site(), Prompt(2000)));
    }

    [Fact]
    public void IsSilent_StateIsSilent_OnlyTheDeviceOfItsSilo()
    {
        Apply(Prefill(), FakeDevices.Entry(3, Prefill().Load));
        _view.Get("m").Apply(FakeDevices.Update([Prefill(), FakeDevices.Entry(3, Prefill().Load)]) with { Silo = FakeDevices.Identity(2).Silo });
        HandoverPlanner planner = New();
        _time.Advance(_options.PrefillSilence);
        Assert.False(planner.IsSilent("m", Remote));
        _time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal((true, false), (planner.IsSilent("m", Remote), planner.IsSilent("m", "silo3/cpu")));
    }

    [Fact]
    public void IsSilent_DeviceHasLeft_True()
    {
        Apply(Prefill());
        Assert.True(New().IsSilent("m", "silo9/cpu"));
    }

    [Fact]
    public void Decide_DeviceThatStalled_OnlyAfterItsTime()
    {
        HandoverPlanner planner = New(DisaggregationMode.Always);
        Assert.NotNull(planner.Decide(Site(), Prompt(2000)));
        _breaker.Failed(Remote, TimeSpan.FromSeconds(2), "test");
        Assert.Null(planner.Decide(Site(), Prompt(2000)));
        Assert.Equal(_options.BreakerTime, Assert.Single(planner.Snapshot().Peers).OutFor);
        _time.Advance(_options.BreakerTime);
        Apply(Prefill());
        Assert.NotNull(planner.Decide(Site(), Prompt(2000)));
        Assert.Null(planner.Decide(Site(), Prompt(2000)));
    }

    [Fact]
    public void DecideAgain_OneFailed_AnotherOrNone()
    {
        HandoverPlanner planner = New(DisaggregationMode.Always);
        Assert.Null(planner.DecideAgain(Site(), Prompt(2000) with { Avoid = [Remote] }));
        Apply(Prefill(), FakeDevices.Entry(3, Prefill().Load));
        Assert.Equal("silo3/cpu", planner.DecideAgain(Site(), Prompt(2000) with { Avoid = [Remote] })?.Device.Identity.Id);
    }

    [Fact]
    public void Decide_Never_NothingIsCounted()
    {
        HandoverPlanner planner = New(DisaggregationMode.Never);
        Assert.Null(planner.Decide(Site(running: 4), Prompt(2000)));
        Assert.Equal((0, 0, 0), (planner.Snapshot().Remote, planner.Snapshot().Local, planner.Snapshot().LocalFallback));
    }

    private static DecodeSite Site(int running = 0) =>
        new(FakeDevices.Identity(1), FakeDevices.Load(running, role: DeviceRole.Decode) with { PrefillTokensPerSecond = 1000 }, BytesPerToken, 512);

    private static RoutingQuery Prompt(int tokens, ulong[]? chain = null) => new("m", tokens, chain ?? [], []);

    private static DeviceEntry Prefill(long pending = 0) =>
        FakeDevices.Entry(2, FakeDevices.Load(pending: pending, role: DeviceRole.Prefill) with { PrefillTokensPerSecond = 1000 });

    private HandoverPlanner New(DisaggregationMode mode = DisaggregationMode.Auto) => new(
        new DeviceRouter(_view, new KvAwarePolicy(), _time, NullLogger<DeviceRouter>.Instance), _view, _breaker, _speeds, _options with { Mode = mode });

    private DeviceView Device(int number) => _view.Find("m")!.Devices.Single(device => device.Identity.Id == FakeDevices.Identity(number).Id);

    private void Apply(DeviceEntry prefill, params BlockBatch[] blocks) => Apply([prefill], blocks);

    private void Apply(DeviceEntry prefill, DeviceEntry another) => Apply([prefill, another], []);

    private void Apply(DeviceEntry[] prefill, BlockBatch[] blocks) =>
        _view.Get("m").Apply(FakeDevices.Update([FakeDevices.Entry(1, FakeDevices.Load(role: DeviceRole.Decode)), .. prefill], blocks));
}
