using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Disaggregation;

public sealed class DisaggregationOptionsTests
{
    public static TheoryData<string, DisaggregationOptions> Wrong { get; } = new()
    {
        { "mode", new() { Mode = (DisaggregationMode)9 } },
        { "attempts", new() { Attempts = 0 } },
        { "prefill time-out", new() { PrefillTimeout = TimeSpan.FromHours(1) } },
        { "speed of KV transfer", new() { TransferBytesPerSecond = 0 } },
        { "speed of KV transfer", new() { TransferBytesPerSecond = double.NaN } },
        { "half-life", new() { TransferHalfLife = TimeSpan.Zero } },
        { "prefill silence", new() { PrefillSilence = TimeSpan.FromMilliseconds(100) } },
        { "open the breaker", new() { BreakerFailures = 0 } },
        { "stall time", new() { StallTime = TimeSpan.Zero } },
        { "breaker's time", new() { BreakerTime = TimeSpan.FromSeconds(-1) } },
        { "breaker's longest time", new() { BreakerTime = TimeSpan.FromSeconds(3), BreakerMaxTime = TimeSpan.FromSeconds(2) } },
    };

    [Fact]
    public void Validate_Defaults_AreInRange() => new DisaggregationOptions().Validate();

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Validate_OutOfRange_OneSentenceThatNamesIt(string named, DisaggregationOptions options)
    {
        string message = Assert.Throws<StartupException>(new WorkerOptions { ModelPath = "m.gguf", Disaggregation = options }.Validate).Message;
        Assert.Contains(named, message);
        Assert.EndsWith(".", message);
        Assert.DoesNotContain('\n', message);
    }
}
