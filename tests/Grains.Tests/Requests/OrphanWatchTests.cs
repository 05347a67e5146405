using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Requests;

namespace ServingGrid.Grains.Tests.Requests;

public sealed class OrphanWatchTests
{
    private readonly FakeTimeProvider _time = new();
    private int _orphaned;

    [Fact]
    public void Enter_NobodyAsks_OrphanedOnce()
    {
        using OrphanWatch watch = new(_time, TimeSpan.FromSeconds(10), () => _orphaned++);
        watch.Enter();
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(0, _orphaned);
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(1, _orphaned);
    }

    [Fact]
    public void Leave_ClientAsked_NeverOrphaned()
    {
        using OrphanWatch watch = new(_time, TimeSpan.FromSeconds(10), () => _orphaned++);
        watch.Enter();
        _time.Advance(TimeSpan.FromSeconds(9));
        watch.Leave();
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(0, _orphaned);
    }
}
