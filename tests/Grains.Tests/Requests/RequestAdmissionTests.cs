using System.Net;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Requests;
using ServingGrid.Grains.Tests.Cluster;
using ServingGrid.Grains.Tests.Routing;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Requests;

/// <summary>What an attempt is told that was placed where it may not run.</summary>
public sealed class RequestAdmissionTests : IAsyncDisposable
{
    private readonly Worker _worker = Worker.Open(GridCluster.Options with { ModelName = "m" });
    private readonly FakeTimeProvider _time = new();
    private readonly LocalDevice _device;
    private readonly GridView _view;
    private readonly RequestAdmission _admission;

    public RequestAdmissionTests()
    {
        _device = new LocalDevice(_worker, new SiloDetails());
        _device.Admit();
        _view = new GridView(_time);
        _admission = new RequestAdmission(_device, _view);
    }

    [Fact]
    public void Check_NoClassOrItsOwn_Admitted()
    {
        _admission.Check(Attempt(null));
        _admission.Check(Attempt(_device.Identity.Numerics));
    }

    [Fact]
    public void Check_ADeviceOfTheClassIsLeft_Unavailable()
    {
        Know(FakeDevices.Entry(1, FakeDevices.Load(state: DeviceState.Recovering), numerics: "x"), FakeDevices.Entry(2, numerics: "y"));

        Assert.Equal(GridError.Unavailable, Refusal(Attempt("x")));
    }

    [Theory]
    [InlineData(DeviceRole.Decode, DeviceState.Draining)]
    [InlineData(DeviceRole.Decode, DeviceState.Failed)]
    [InlineData(DeviceRole.Prefill, DeviceState.Serving)]
    public void Check_NoDeviceOfTheClassIsLeftThatCouldGoOn_NumericsGone(DeviceRole role, DeviceState state)
    {
        Know(FakeDevices.Entry(1, FakeDevices.Load(role: role, state: state), numerics: "x"), FakeDevices.Entry(2, numerics: "y"));

        Assert.Equal(GridError.NumericsGone, Refusal(Attempt("x")));
    }

    /// <summary>An attempt that has nowhere to go is placed anywhere: any silo can tell.</summary>
    [Fact]
    public void Check_AnotherModelWithoutADeviceOfTheClass_NumericsGone()
    {
        _view.Get("another").Apply(FakeDevices.Update([FakeDevices.Entry(2, numerics: "y")]));

        Assert.Equal(GridError.NumericsGone, Refusal(Attempt("x", "another")));
        Assert.Equal(GridError.Unavailable, Refusal(Attempt("y", "another")));
        Assert.Equal(GridError.Unavailable, Refusal(Attempt(null, "another")));
    }

    /// <summary>What a silo does not know it does not say: the answer would change for nothing.</summary>
    [Fact]
    public void Check_ViewTooOldOrNone_Unavailable()
    {
        Assert.Equal(GridError.Unavailable, Refusal(Attempt("x")));
        Know(FakeDevices.Entry(2, numerics: "y"));
        _time.Advance(ModelView.MaxAge + TimeSpan.FromMilliseconds(1));

        Assert.Equal(GridError.Unavailable, Refusal(Attempt("x")));
    }

    [Fact]
    public void Check_AnotherFileOfTheName_ModelChangedWhateverTheClass()
    {
        GenerateAttempt attempt = Attempt("x");

        Assert.Equal(GridError.ModelChanged, Refusal(attempt with { Request = attempt.Request with { Fingerprint = "another" } }));
    }

    [Fact]
    public void Check_ItFailedHereAndNoOtherDeviceIsLeft_Final()
    {
        Know(
            FakeDevices.Entry(1, FakeDevices.Load(state: DeviceState.Failed)),
            FakeDevices.Entry(2, FakeDevices.Load(state: DeviceState.Draining)),
            FakeDevices.Entry(3, FakeDevices.Load(role: DeviceRole.Prefill)),
            FakeDevices.Entry(4));

        GridException refusal = Assert.Throws<GridException>(() => _admission.Check(Failed(null, FakeDevices.Identity(4).Id)));
        Assert.Equal((GridError.RequestFailed, _device.Identity.Id), (refusal.Error, refusal.Device));
    }

    /// <summary>Placed here for want of another at this moment: in a second there may be one.</summary>
    [Theory]
    [InlineData(DeviceState.Serving)]
    [InlineData(DeviceState.Recovering)]
    [InlineData(DeviceState.Joining)]
    public void Check_ItFailedHereAndAnotherMayTakeItSoon_Unavailable(DeviceState state)
    {
        Know(FakeDevices.Entry(1, FakeDevices.Load(state: state)));

        Assert.Equal(GridError.Unavailable, Refusal(Failed(null)));
    }

    [Fact]
    public void Check_ItFailedHereAndTheViewIsTooOldOrMissing_Unavailable()
    {
        Assert.Equal(GridError.Unavailable, Refusal(Failed(null)));
        Know(FakeDevices.Entry(1, FakeDevices.Load(state: DeviceState.Failed)));
        _time.Advance(ModelView.MaxAge + TimeSpan.FromMilliseconds(1));

        Assert.Equal(GridError.Unavailable, Refusal(Failed(null)));
    }

    [Fact]
    public void Check_TheOnlyDeviceOfTheClassHasFailedIt_NumericsGoneWhileOthersAreLeft()
    {
        string own = _device.Identity.Numerics;
        Know(FakeDevices.Entry(1, numerics: own), FakeDevices.Entry(2, numerics: "y"));

        Assert.Equal(GridError.NumericsGone, Refusal(Failed(own, FakeDevices.Identity(1).Id)));
        Assert.Equal(GridError.Unavailable, Refusal(Failed(own)));
        Assert.Equal(GridError.RequestFailed, Refusal(Failed(own, FakeDevices.Identity(1).Id, FakeDevices.Identity(2).Id)));
    }

    /// <summary>It was placed on a device of another class, which could go on with it.</summary>
    [Fact]
    public void Check_TheOnlyDeviceOfTheClassHasFailedItAndThisIsAnother_NumericsGone()
    {
        Know(FakeDevices.Entry(1, numerics: "x"));

        Assert.Equal(GridError.NumericsGone, Refusal(Attempt("x") with { Failed = [FakeDevices.Identity(1).Id] }));
    }

    public ValueTask DisposeAsync() => _worker.DisposeAsync();

    private static GenerateAttempt Attempt(string? numerics, string model = "m") =>
        new() { Request = new GenerateRequest { RequestId = "r", Model = model, Prompt = [1] }, Numerics = numerics };

    /// <summary>Has failed on this device, and on others.</summary>
    private GenerateAttempt Failed(string? numerics, params string[] others) =>
        Attempt(numerics) with { Failed = [_device.Identity.Id, .. others] };

    private void Know(params DeviceEntry[] entries) => _view.Get("m").Apply(FakeDevices.Update(entries));

    private GridError Refusal(GenerateAttempt attempt) => Assert.Throws<GridException>(() => _admission.Check(attempt)).Error;

    private sealed class SiloDetails : ILocalSiloDetails
    {
        public string Name => "silo";

        public string ClusterId => "cluster";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress { get; } = SiloAddress.New(IPAddress.Loopback, 1, 1);

        public SiloAddress GatewayAddress => SiloAddress;
    }
}
