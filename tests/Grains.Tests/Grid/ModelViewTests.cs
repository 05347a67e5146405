using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class ModelViewTests
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(200);

    private readonly FakeTimeProvider _time = new();
    private readonly ModelView _view;

    public ModelViewTests() => _view = new ModelView("m", _time);

    [Fact]
    public void Apply_StateBeginsAnew_DevicesThatHaveNotReportedYetStay()
    {
        _view.Apply(Update(stateSilo: 3, [1, 2, 3], FakeDevices.Blocks(2, 1, 10, 11)));
        _time.Advance(TimeSpan.FromSeconds(5));
        _view.Apply(Anew(stateSilo: 1, [1]));

        Assert.Equal(["silo1/cpu", "silo2/cpu"], Ids());
        Assert.True(_view.IsAlive(_view.Devices.Single(device => device.Identity.Id == "silo2/cpu")));
        Assert.Equal(0, _view.CachedTokens("silo2/cpu", [10, 11], 32));
    }

    [Fact]
    public void Apply_StateBeginsAnew_WhereItWasIsGone()
    {
        _view.Apply(Update(stateSilo: 2, [1, 2, 3]));
        _view.Apply(Anew(stateSilo: 1, [1]));

        Assert.Equal(["silo1/cpu", "silo3/cpu"], Ids());
    }

    [Fact]
    public void Apply_StateBeginsAnewOnTheSameSilo_ItsDeviceStays()
    {
        _view.Apply(Update(stateSilo: 2, [1, 2]));
        _view.Apply(Anew(stateSilo: 2, [1]));

        Assert.Equal(["silo1/cpu", "silo2/cpu"], Ids());
    }

    [Fact]
    public void Apply_DeviceDoesNotReportToTheNewState_ItGoes()
    {
        _view.Apply(Update(stateSilo: 1, [1, 2]));
        GridUpdate anew = Anew(stateSilo: 1, [1]);
        for (TimeSpan passed = TimeSpan.Zero; passed <= ModelView.MaxReportAge; passed += Moment)
        {
            _view.Apply(anew);
            Assert.Equal(["silo1/cpu", "silo2/cpu"], Ids());
            _time.Advance(Moment);
        }

        _view.Apply(anew);
        Assert.Equal(["silo1/cpu"], Ids());
    }

    [Fact]
    public void Apply_DeviceLeavesTheNewState_ItGoesAtOnce()
    {
        _view.Apply(Update(stateSilo: 1, [1, 2]));
        GridUpdate anew = Anew(stateSilo: 1, [1]);
        _view.Apply(anew);
        _view.Apply(anew with { Devices = [FakeDevices.Entry(1), FakeDevices.Entry(2)] });
        _view.Apply(anew);

        Assert.Equal(["silo1/cpu"], Ids());
    }

    [Fact]
    public void Apply_DeviceIsBack_ItsBlocksAreAsItReportsThem()
    {
        _view.Apply(Update(stateSilo: 1, [1, 2], FakeDevices.Blocks(2, 1, 10, 11)));
        GridUpdate anew = Anew(stateSilo: 1, [1]);
        _view.Apply(anew);
        _view.Apply(anew with { Devices = [FakeDevices.Entry(1), FakeDevices.Entry(2)], Blocks = [FakeDevices.Blocks(2, 1, 10)] });

        Assert.Equal(32, _view.CachedTokens("silo2/cpu", [10, 11], 32));
    }

    private static GridUpdate Update(int stateSilo, int[] devices, params BlockBatch[] blocks) =>
        FakeDevices.Update([.. devices.Select(number => FakeDevices.Entry(number))], blocks) with { Silo = FakeDevices.Identity(stateSilo).Silo };

    private static GridUpdate Anew(int stateSilo, int[] devices) => Update(stateSilo, devices) with { Epoch = Guid.NewGuid() };

    private string[] Ids() => [.. _view.Devices.Select(device => device.Identity.Id).Order(StringComparer.Ordinal)];
}
