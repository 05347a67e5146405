using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Status;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Status;

public sealed class GridHealthTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Read_NoModel_SaysSo() => Assert.Equal("The grid serves no model.", Read().Reason);

    [Fact]
    public void Read_OneDeviceTakesRequests_Healthy()
    {
        GridHealth health = Read(FakeDevices.Load(state: DeviceState.Failed), FakeDevices.Load(role: DeviceRole.Prefill), FakeDevices.Load(role: DeviceRole.Decode));

        Assert.Equal(["m"], health.Models);
        Assert.Null(health.Reason);
    }

    [Fact]
    public void Read_NoDeviceTakesRequests_SaysWhyOfEach()
    {
        GridHealth health = Read(
            FakeDevices.Load(state: DeviceState.Failed) with { Trouble = "the driver is gone" },
            FakeDevices.Load(role: DeviceRole.Prefill),
            FakeDevices.Load(state: DeviceState.Draining),
            FakeDevices.Load(state: DeviceState.Recovering) with { Trouble = "a step failed" });

        Assert.Empty(health.Models);
        Assert.Equal(
            "No device of m takes requests: silo0/cpu has failed (the driver is gone), silo1/cpu computes prompts only, silo2/cpu is stopping, silo3/cpu is recovering (a step failed).",
            health.Reason);
    }

    [Fact]
    public void Read_ManyDevicesInTrouble_NamesSome()
    {
        GridHealth health = Read([.. Enumerable.Repeat(FakeDevices.Load(state: DeviceState.Joining), 6)]);

        Assert.EndsWith("silo3/cpu is joining and 2 more.", health.Reason);
    }

    [Fact]
    public void Read_DeviceReportsNoMore_DoesNotCount()
    {
        GridView view = new(_time);
        view.Get("m").Apply(FakeDevices.Update([FakeDevices.Entry(0, age: TimeSpan.FromSeconds(2))]));

        Assert.Equal("No device of m takes requests: silo0/cpu does not report.", GridHealthGrain.Read(view).Reason);
    }

    [Fact]
    public void Read_ModelWithoutDevices_SaysSo()
    {
        GridView view = new(_time);
        view.Get("m");

        Assert.Equal("No silo has m.", GridHealthGrain.Read(view).Reason);
    }

    private GridHealth Read(params DeviceLoad[] loads)
    {
        GridView view = new(_time);
        if (loads.Length > 0)
        {
            view.Get("m").Apply(FakeDevices.Update([.. loads.Select((load, i) => FakeDevices.Entry(i, load))]));
        }

        return GridHealthGrain.Read(view);
    }
}
