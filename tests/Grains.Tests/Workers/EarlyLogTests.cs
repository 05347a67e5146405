using Microsoft.Extensions.Logging;
using ServingGrid.Grains.Workers;
using ServingGrid.Testing;

namespace ServingGrid.Grains.Tests.Workers;

public sealed class EarlyLogTests
{
    [Fact]
    public void Log_BeforeThereIsAHost_HeardWhenThereIs()
    {
        EarlyLog early = new();
        ILogger log = early.CreateLogger("engine");
        log.LogWarning("device {Device} is passed over", "cuda:0");
        using RecordedLog host = new();
        using var factory = LoggerFactory.Create(logging => logging.AddProvider(host));
        Assert.Empty(host.Lines);
        early.HandTo(factory);
        log.LogError("a step failed");
        early.CreateLogger("another").LogWarning("late");

        Assert.Equal(["Warning: device cuda:0 is passed over", "Error: a step failed", "Warning: late"], host.Lines);
    }

    [Fact]
    public void Log_HostThatListensToErrorsAlone_HearsErrorsAlone()
    {
        EarlyLog early = new();
        ILogger log = early.CreateLogger("engine");
        log.LogWarning("early");
        using RecordedLog host = new();
        using var factory = LoggerFactory.Create(logging => logging.AddProvider(host).SetMinimumLevel(LogLevel.Error));
        early.HandTo(factory);
        log.LogWarning("late");
        log.LogError("worse");

        Assert.Equal(["Error: worse"], host.Lines);
        Assert.False(log.IsEnabled(LogLevel.Warning));
    }

    [Fact]
    public void Log_EndlesslyWithoutAHost_KeepsTheFirstLines()
    {
        EarlyLog early = new();
        ILogger log = early.CreateLogger("engine");
        for (int i = 0; i < 1000; i++)
        {
            log.LogWarning("line {Number}", i);
        }

        using RecordedLog host = new();
        using var factory = LoggerFactory.Create(logging => logging.AddProvider(host));
        early.HandTo(factory);

        Assert.Equal(100, host.Lines.Count);
        Assert.Equal("Warning: line 0", host.Lines.First());
    }
}
