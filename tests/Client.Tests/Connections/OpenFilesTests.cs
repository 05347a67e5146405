using ServingGrid.Client.Connections;

namespace ServingGrid.Client.Tests.Connections;

public sealed class OpenFilesTests
{
    [Theory]
    [InlineData("Max open files            1024                 524288               files     ", 1024)]
    [InlineData("Max open files            unlimited            unlimited            files     ", int.MaxValue)]
    [InlineData("Max open files            8589934592           8589934592           files     ", int.MaxValue)]
    public void Parse_LimitsOfAProcess_TheSoftOneOfOpenFiles(string line, int expected) => Assert.Equal(
        expected,
        OpenFiles.Parse([
            "Limit                     Soft Limit           Hard Limit           Units     ",
            "Max processes             1                    1        processes ",
            line,
        ]));

    [Theory]
    [InlineData(48)]
    [InlineData(200)]
    [InlineData(624)]
    [InlineData(65_136)]
    [InlineData(int.MaxValue)]
    public void Of_AnyNumberOfConnections_TheSharesFit(int connections)
    {
        SiloShares shares = SiloShares.Of(connections);
        Assert.InRange(shares.Silos + shares.Clients + shares.KvPeers + (2L * shares.KvStrangers) + shares.Status, 1, connections);
        Assert.All((int[])[shares.Silos, shares.Clients, shares.KvPeers, shares.KvStrangers, shares.Status], share =>
            Assert.True(share >= 2));
    }
}
