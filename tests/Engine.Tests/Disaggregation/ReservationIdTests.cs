using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests.Disaggregation;

public sealed class ReservationIdTests
{
    /// <summary>
    /// An engine may take the place of one that was lost, at the same address: blocks that are late for the one must not get into the
    /// other.
    /// </summary>
    [Fact]
    public async Task Id_OfTwoEngines_Differs()
    {
        await using var first = new EngineRig();
        await using var second = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(20, 1), 4);
        Reservation one = (await first.Engine.ReserveAsync(request)).Accepted!;
        Reservation other = (await second.Engine.ReserveAsync(request)).Accepted!;

        Assert.NotEqual(one.Id, other.Id);
        one.Release();
        other.Release();
    }
}
