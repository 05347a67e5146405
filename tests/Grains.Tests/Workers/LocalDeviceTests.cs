using System.Net;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Cluster;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Workers;

public sealed class LocalDeviceTests
{
    [Fact]
    public async Task Load_BeforeTheGridHasAcceptedIt_JoiningAndServesNothing()
    {
        await using Worker worker = Worker.Open(GridCluster.Options);
        LocalDevice device = new(worker, new SiloDetails());
        Assert.Equal((DeviceState.Joining, false), (device.Load().State, device.Serves(GridCluster.Model)));

        device.Admit();
        Assert.Equal((DeviceState.Serving, true), (device.Load().State, device.Serves(GridCluster.Model)));
        Assert.False(device.Serves("another"));

        device.StartDraining();
        Assert.Equal(DeviceState.Draining, device.Load().State);
    }

    [Fact]
    public async Task Dismiss_AfterTheGridHadAcceptedIt_ServesNothingAndSaysWhyUntilItIsAcceptedAgain()
    {
        await using Worker worker = Worker.Open(GridCluster.Options);
        LocalDevice device = new(worker, new SiloDetails());
        device.Admit();

        device.Dismiss("It is of another kind.");
        DeviceLoad load = device.Load();
        Assert.Equal((DeviceState.Joining, "It is of another kind.", false), (load.State, load.Trouble, device.Serves(GridCluster.Model)));

        device.Admit();
        load = device.Load();
        Assert.Equal((DeviceState.Serving, null, true), (load.State, load.Trouble, device.Serves(GridCluster.Model)));
    }

    private sealed class SiloDetails : ILocalSiloDetails
    {
        public string Name => "silo";

        public string ClusterId => "cluster";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress { get; } = SiloAddress.New(IPAddress.Loopback, 1, 1);

        public SiloAddress GatewayAddress => SiloAddress;
    }
}
