using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Disaggregation;

namespace ServingGrid.Grains.Tests.Disaggregation;

public sealed class PrefillBreakerTests
{
    private const string Device = "p/cpu";

    private static readonly DisaggregationOptions Options = new();
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(2);

    private readonly FakeTimeProvider _time = new();
    private readonly PrefillBreaker _breaker;

    public PrefillBreakerTests() => _breaker = new PrefillBreaker(Options, _time, NullLogger<PrefillBreaker>.Instance);

    [Fact]
    public void Failed_AsOftenAsAllowed_TakesTheDeviceOut()
    {
        for (int i = 1; i < Options.BreakerFailures; i++)
        {
            Fail(Quick);
            Assert.True(_breaker.Allows(Device));
        }

        Fail(Quick);
        Assert.False(_breaker.Allows(Device));
        Assert.False(_breaker.TryEnter(Device));
        Assert.True(_breaker.Allows("other/cpu"));
        Assert.Equal([(Device, Options.BreakerFailures, Options.BreakerTime)], _breaker.Read());
    }

    [Fact]
    public void Succeeded_BetweenFailures_CountsAnew()
    {
        for (int i = 0; i < 10; i++)
        {
            Fail(Quick);
            Fail(Quick);
            Assert.True(_breaker.TryEnter(Device));
            _breaker.Succeeded(Device, Quick, Quick);
        }

        Assert.True(_breaker.Allows(Device));
        Assert.Empty(_breaker.Read());
    }

    [Fact]
    public void Failed_AfterAStall_TakesTheDeviceOutAtOnce()
    {
        Fail(Stall);
        Assert.False(_breaker.Allows(Device));
    }

    [Fact]
    public void TryEnter_AfterItsTime_LetsOneProbeIn()
    {
        Fail(Stall);
        _time.Advance(Options.BreakerTime - Quick);
        Assert.False(_breaker.Allows(Device));
        _time.Advance(Quick);
        Assert.True(_breaker.Allows(Device));
        Assert.True(_breaker.TryEnter(Device));
        Assert.False(_breaker.Allows(Device));
        Assert.False(_breaker.TryEnter(Device));
    }

    [Fact]
    public void Succeeded_Probe_BringsTheDeviceBackWithACleanSlate()
    {
        Fail(Stall);
        _time.Advance(Options.BreakerTime);
        Assert.True(_breaker.TryEnter(Device));
        _breaker.Succeeded(Device, Quick, Quick);
        Assert.True(_breaker.TryEnter(Device));
        Assert.True(_breaker.TryEnter(Device));
        Fail(Stall);
        _time.Advance(Options.BreakerTime);
        Assert.True(_breaker.Allows(Device));
    }

    [Fact]
    public void Failed_ProbeAfterProbe_DoublesTheTimeUpToItsLimit()
    {
        Fail(Stall);
        TimeSpan expected = Options.BreakerTime;
        for (int i = 0; i < 40; i++)
        {
            Assert.Equal(expected, Assert.Single(_breaker.Read()).OutFor);
            _time.Advance(expected);
            Assert.True(_breaker.TryEnter(Device));
            _breaker.Failed(Device, Quick, "test");
            expected = TimeSpan.FromTicks(Math.Min(expected.Ticks * 2, Options.BreakerMaxTime.Ticks));
        }

        Assert.Equal(Options.BreakerMaxTime, expected);
    }

    [Fact]
    public void Failed_OthersThatWereOnTheirWay_DoNotLengthenTheTime()
    {
        Fail(Stall);
        for (int i = 0; i < 20; i++)
        {
            _breaker.Failed(Device, Stall, "test");
        }

        Assert.Equal(Options.BreakerTime, Assert.Single(_breaker.Read()).OutFor);
    }

    [Fact]
    public void Abandoned_Probe_LeavesThePlaceToAnother()
    {
        Fail(Stall);
        _time.Advance(Options.BreakerTime);
        Assert.True(_breaker.TryEnter(Device));
        _breaker.Abandoned(Device);
        Assert.True(_breaker.TryEnter(Device));
    }

    [Fact]
    public void Succeeded_FarSlowerThanExpected_CountsAsAFailure()
    {
        for (int i = 0; i < Options.BreakerFailures; i++)
        {
            Assert.True(_breaker.TryEnter(Device));
            _breaker.Succeeded(Device, TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(1));
        }

        Assert.False(_breaker.Allows(Device));
    }

    private void Fail(TimeSpan after)
    {
        Assert.True(_breaker.TryEnter(Device));
        _breaker.Failed(Device, after, "test");
    }
}
