using Microsoft.Extensions.Time.Testing;
using ServingGrid.Engine.Execution;

namespace ServingGrid.Engine.Tests.Execution;

public sealed class FailureBudgetTests
{
    [Fact]
    public void TrySpend_MoreThanAllowedWithinTheWindow_IsFalse()
    {
        var time = new FakeTimeProvider();
        var budget = new FailureBudget(new EngineOptions { MaxFailures = 2, FailureWindow = TimeSpan.FromMinutes(10) }, time);
        Assert.True(budget.TrySpend());
        time.Advance(TimeSpan.FromMinutes(6));
        Assert.True(budget.TrySpend());
        Assert.False(budget.TrySpend());
        time.Advance(TimeSpan.FromMinutes(4));
        Assert.True(budget.TrySpend());
        Assert.False(budget.TrySpend());
    }

    [Fact]
    public void TrySpend_NoneAllowed_IsFalse() => Assert.False(
        new FailureBudget(new EngineOptions { MaxFailures = 0 }, TimeProvider.System).TrySpend());

    [Theory]
    [InlineData(-1, 600, "MaxFailures")]
    [InlineData(1001, 600, "MaxFailures")]
    [InlineData(5, 0, "FailureWindow")]
    [InlineData(5, 86401, "FailureWindow")]
    public void Validate_OutOfRange_NamesTheOption(int failures, int seconds, string option)
    {
        var options = new EngineOptions { MaxFailures = failures, FailureWindow = TimeSpan.FromSeconds(seconds) };
        Assert.Equal(option, Assert.Throws<ArgumentException>(options.Validate).ParamName);
    }
}
