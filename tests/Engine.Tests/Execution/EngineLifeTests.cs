using ServingGrid.Engine.Execution;

namespace ServingGrid.Engine.Tests.Execution;

public sealed class EngineLifeTests
{
    [Fact]
    public void Health_OneThingAfterTheOther_IsWhatHolds()
    {
        var life = new EngineLife();
        Assert.Equal(EngineHealth.Serving, life.Health);
        life.BeginRecovery();
        Assert.Equal(EngineHealth.Recovering, life.Health);
        life.EndRecovery();
        Assert.Equal(EngineHealth.Serving, life.Health);
        life.BeginRecovery();
        life.Drain();
        Assert.Equal(EngineHealth.Recovering, life.Health);
        life.EndRecovery();
        Assert.Equal(EngineHealth.Draining, life.Health);
        life.BeginRecovery();
        Assert.Equal(EngineHealth.Recovering, life.Health);
        life.EndRecovery();
        life.Stop();
        Assert.Equal(EngineHealth.Stopped, life.Health);
        life.Fail("too late");
        Assert.Equal((EngineHealth.Stopped, null), (life.Health, life.Failure));
    }

    [Fact]
    public void Health_Failed_StaysSo()
    {
        var life = new EngineLife();
        life.BeginRecovery();
        life.Fail("broken");
        life.EndRecovery();
        life.Drain();
        life.Stop();
        Assert.Equal((EngineHealth.Failed, "broken"), (life.Health, life.Failure));
    }

    [Fact]
    public void TryPost_NotServing_PostsNothing()
    {
        using var commands = new CommandQueue(TimeProvider.System);
        var life = new EngineLife();
        Assert.True(life.TryPost(commands, () => { }));
        life.Drain();
        Assert.False(life.TryPost(commands, () => Assert.Fail("posted")));
        commands.RunAll();
        Assert.True(commands.IsEmpty);
    }
}
