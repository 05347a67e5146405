using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class GridStateTests
{
    private static readonly SiloAddress Silo = SiloAddress.New(IPAddress.Loopback, 1, 1);

    private readonly FakeTimeProvider _time = new();
    private readonly GridState _state;

    public GridStateTests() => _state = New();

    [Fact]
    public void Exchange_DeviceOfAnotherKind_RefusedAndNotListed()
    {
        _state.Exchange(Report(1), Guid.Empty, 0);
        GridUpdate update = _state.Exchange(Report(2) with { Device = FakeDevices.Identity(2, kvType: KvType.F32) }, Guid.Empty, 0);

        Assert.Contains("KV type", update.Refused);
        Assert.Equal(FakeDevices.Identity(1).Id, Assert.Single(_state.GetDevices()).Device.Id);
    }

    [Fact]
    public void GetDevices_OneReportsNoMore_ForgottenAfterItsLeaseAndBackWithAllItsBlocks()
    {
        _state.Exchange(Report(1, Blocks(0, 2, 10, 11)), Guid.Empty, 0);
        _state.Exchange(Report(2), Guid.Empty, 0);
        _time.Advance(GridState.Lease);
        _state.Exchange(Report(2), Guid.Empty, 0);
        Assert.Equal(2, _state.GetDevices().Length);

        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(FakeDevices.Identity(2).Id, Assert.Single(_state.GetDevices()).Device.Id);
        Assert.Empty(_state.Exchange(null, Guid.Empty, 0).Blocks);
        Assert.True(_state.Exchange(Report(1), Guid.Empty, 0).ResendBlocks);
    }

    [Fact]
    public void Exchange_EventsMissing_AsksForAllBlocks()
    {
        Assert.False(_state.Exchange(Report(1, Blocks(0, 2, 10, 11)), Guid.Empty, 0).ResendBlocks);
        Assert.False(_state.Exchange(Report(1, Blocks(2, 3, 12)), Guid.Empty, 0).ResendBlocks);
        Assert.True(_state.Exchange(Report(1, Blocks(4, 5, 13)), Guid.Empty, 0).ResendBlocks);
        Assert.False(_state.Exchange(Report(1, Blocks(0, 5, 10, 11, 12, 13)), Guid.Empty, 0).ResendBlocks);
    }

    [Fact]
    public void Exchange_ReaderOfAnotherEpoch_GetsEverything()
    {
        GridUpdate first = _state.Exchange(Report(1, Blocks(0, 2, 10, 11)), Guid.Empty, 0);
        Assert.Empty(_state.Exchange(null, first.Epoch, first.Version).Blocks);

        GridState restarted = New();
        GridUpdate anew = restarted.Exchange(Report(1, Blocks(0, 2, 10, 11)), first.Epoch, first.Version);
        Assert.NotEqual(first.Epoch, anew.Epoch);
        Assert.Equal([10UL, 11UL], anew.Blocks.SelectMany(batch => batch.Stored).Order().ToArray());
    }

    [Fact]
    public void Leave_Device_ForgottenAtOnce()
    {
        _state.Exchange(Report(1), Guid.Empty, 0);
        _state.Leave(FakeDevices.Identity(1).Id);

        Assert.Empty(_state.GetDevices());
    }

    [Fact]
    public void Exchange_Answer_SaysWhereTheStateIs() => Assert.Equal(Silo, _state.Exchange(null, Guid.Empty, 0).Silo);

    private static DeviceReport Report(int number, BlockChanges? blocks = null) =>
        new() { Device = FakeDevices.Identity(number), Load = FakeDevices.Load(), Blocks = blocks };

    private static BlockChanges Blocks(long after, long last, params ulong[] stored) =>
        new() { After = after, LastId = last, Reset = after == 0, Stored = stored, Removed = [] };

    private GridState New() => new("m", Silo, _time, NullLogger.Instance);
}
