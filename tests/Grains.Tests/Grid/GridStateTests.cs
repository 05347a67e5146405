using System.Net;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Orleans.Serialization;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class GridStateTests
{
    private static readonly SiloAddress Silo = SiloAddress.New(IPAddress.Loopback, 1, 1);

    private readonly FakeTimeProvider _time = new();
    private readonly List<SiloAddress> _silos = [];
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
    public void Exchange_NewcomerFirstAtAStateThatBeginsAnew_ThoseThatWereThereDefineTheGrid()
    {
        _silos.AddRange([FakeDevices.Identity(1).Silo, FakeDevices.Identity(2).Silo, FakeDevices.Identity(3).Silo]);
        DeviceReport wrong = Report(3) with { Device = FakeDevices.Identity(3, "wrong") };
        for (int i = 0; i < 3; i++)
        {
            GridUpdate first = _state.Exchange(wrong, Guid.Empty, 0);
            Assert.Equal((true, null), (first.Undecided, first.Refused));
            Assert.Empty(first.Devices);
        }

        GridUpdate established = _state.Exchange(Report(1) with { AdmittedFor = TimeSpan.FromHours(1) }, Guid.Empty, 0);
        Assert.Equal((false, null), (established.Undecided, established.Refused));
        GridUpdate refused = _state.Exchange(wrong, Guid.Empty, 0);
        Assert.False(refused.Undecided);
        Assert.Contains("its model fingerprint is wrong, that of silo1/cpu is f", refused.Refused);
        Assert.Null(_state.Exchange(Report(2) with { AdmittedFor = TimeSpan.FromSeconds(2) }, Guid.Empty, 0).Refused);
        Assert.Equal(["silo1/cpu", "silo2/cpu"], Ids());
    }

    [Fact]
    public void Exchange_NewcomersOfANewGrid_AcceptedWhenAllWereHeard()
    {
        _silos.AddRange([FakeDevices.Identity(1).Silo, FakeDevices.Identity(2).Silo]);
        Assert.True(_state.Exchange(Report(1), Guid.Empty, 0).Undecided);
        Assert.False(_state.Exchange(Report(2), Guid.Empty, 0).Undecided);
        Assert.False(_state.Exchange(Report(1), Guid.Empty, 0).Undecided);
        Assert.Equal(["silo1/cpu", "silo2/cpu"], Ids());

        // Silos that come later are waited for by newcomers, not by those that are there.
        _silos.Add(FakeDevices.Identity(3).Silo);
        Assert.False(_state.Exchange(Report(1), Guid.Empty, 0).Undecided);
    }

    [Fact]
    public void Exchange_AnotherSiloIsSilent_NewcomerWaitsAsLongAsALeaseLasts()
    {
        _silos.AddRange([FakeDevices.Identity(1).Silo, FakeDevices.Identity(2).Silo]);
        Assert.True(_state.Exchange(Report(1), Guid.Empty, 0).Undecided);
        _time.Advance(GridState.Lease - TimeSpan.FromMilliseconds(1));
        Assert.True(_state.Exchange(Report(1), Guid.Empty, 0).Undecided);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.False(_state.Exchange(Report(1), Guid.Empty, 0).Undecided);
        Assert.Equal(["silo1/cpu"], Ids());
    }

    [Fact]
    public void Exchange_DeviceThatWasThereBeforeTheOthersIsBack_TheyGiveWay()
    {
        // It was silent for longer than a lease, say, and a silo with another file has come meanwhile.
        DeviceReport other = Report(2, Blocks(0, 1, 10)) with { Device = FakeDevices.Identity(2, "wrong") };
        _state.Exchange(other, Guid.Empty, 0);
        _state.Exchange(other with { AdmittedFor = TimeSpan.FromSeconds(1) }, Guid.Empty, 0);

        Assert.Null(_state.Exchange(Report(1) with { AdmittedFor = TimeSpan.FromHours(1) }, Guid.Empty, 0).Refused);
        GridUpdate refused = _state.Exchange(other with { AdmittedFor = TimeSpan.FromSeconds(2) }, Guid.Empty, 0);
        Assert.NotNull(refused.Refused);
        Assert.Equal(["silo1/cpu"], Ids());
        Assert.Empty(refused.Blocks);
    }

    [Fact]
    public void Exchange_DeviceThatCameAfterTheOthers_Refused()
    {
        _state.Exchange(Report(1) with { AdmittedFor = TimeSpan.FromHours(1) }, Guid.Empty, 0);
        DeviceReport wrong = Report(2) with { Device = FakeDevices.Identity(2, "wrong") };
        Assert.NotNull(_state.Exchange(wrong with { AdmittedFor = TimeSpan.FromMinutes(1) }, Guid.Empty, 0).Refused);
        Assert.NotNull(_state.Exchange(wrong, Guid.Empty, 0).Refused);
        Assert.Equal(["silo1/cpu"], Ids());
    }

    [Fact]
    public void Exchange_AnswerForManySilos_AFewHundredBytesForEachDevice()
    {
        const int Devices = 120;
        Serializer serializer = new ServiceCollection().AddSerializer().BuildServiceProvider().GetRequiredService<Serializer>();
        GridUpdate answer = _state.Exchange(Report(0), Guid.Empty, 0);
        for (int i = 0; i < Devices; i++)
        {
            answer = _state.Exchange(Report(i), answer.Epoch, answer.Version);
        }

        Assert.Equal(Devices, answer.Devices.Length);
        Assert.InRange(serializer.SerializeToArray(answer).Length / Devices, 1, 400);
    }

    /// <summary>What each device knows of those that it has met is much for every silo, and only the status page asks for it.</summary>
    [Theory]
    [InlineData(typeof(DeviceReport))]
    [InlineData(typeof(GridUpdate))]
    public void Exchange_ReportsAndAnswers_HaveNoRoomForHandovers(Type message)
    {
        HashSet<Type> members = [];
        Collect(message, members);

        Assert.Contains(typeof(DeviceIdentity), members);
        Assert.DoesNotContain(members, member => member.Namespace == typeof(HandoverSnapshot).Namespace);

        static void Collect(Type type, HashSet<Type> members)
        {
            type = Nullable.GetUnderlyingType(type) ?? type.GetElementType() ?? type;
            if (type.Namespace?.StartsWith("ServingGrid", StringComparison.Ordinal) == true && members.Add(type))
            {
                foreach (PropertyInfo property in type.GetProperties())
                {
                    Collect(property.PropertyType, members);
                }
            }
        }
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

    private string[] Ids() => [.. _state.GetDevices().Select(entry => entry.Device.Id).Order(StringComparer.Ordinal)];

    private GridState New() => new("m", Silo, () => _silos, _time, NullLogger.Instance);
}
