using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Disaggregation;

namespace ServingGrid.Grains.Tests.Disaggregation;

public sealed class TransferSpeedsTests
{
    private const string Device = "silo2/cpu";
    private const double Configured = 500e6;

    private readonly FakeTimeProvider _time = new();
    private readonly DisaggregationOptions _options = new() { TransferBytesPerSecond = Configured };
    private readonly TransferSpeeds _speeds;

    public TransferSpeedsTests() => _speeds = new TransferSpeeds(_options, _time);

    [Fact]
    public void Note_AnotherDeviceLongAfterwards_WhatHasFadedIsForgotten()
    {
        var time = new FakeTimeProvider();
        DisaggregationOptions options = new();
        TransferSpeeds speeds = new(options, time);
        speeds.Note("gone", 1_000_000, TimeSpan.FromSeconds(1));
        time.Advance(20 * options.TransferHalfLife);
        speeds.Note("young", 1_000_000, TimeSpan.FromSeconds(1));
        Assert.Equal(2, speeds.Measured.Count);

        time.Advance(TimeSpan.FromSeconds(1));
        speeds.Note("new", 1_000_000, TimeSpan.FromSeconds(1));
        Assert.Equal(["new", "young"], speeds.Measured.Select(entry => entry.Key).Order());
    }

    [Fact]
    public void From_NothingMeasured_AsConfigured() => Assert.Equal(Configured, _speeds.From(Device));

    [Fact]
    public void From_FirstMeasurement_AsMeasured()
    {
        Note(2e6);
        Assert.Equal(2e6, _speeds.From(Device), 1.0);
    }

    [Fact]
    public void From_AsTimePasses_FadesIntoTheConfiguredSpeed()
    {
        Note(Configured / 10_000);
        _time.Advance(_options.TransferHalfLife);
        Assert.Equal(Configured / 100, _speeds.From(Device), 1.0);
        Assert.Equal(Configured / 100, Assert.Single(_speeds.Measured).Value, 1.0);
        _time.Advance(_options.TransferHalfLife);
        Assert.Equal(Configured / 10, _speeds.From(Device), 1.0);
        _time.Advance(20 * _options.TransferHalfLife);
        Assert.InRange(_speeds.From(Device), 0.99 * Configured, Configured);
    }

    [Fact]
    public void Note_AnotherSpeedAtOnce_MovesAFifthOfTheWayInOrdersOfMagnitude()
    {
        Note(1e6);
        Note(32e6);
        Assert.Equal(2e6, _speeds.From(Device), 1.0);
    }

    [Fact]
    public void Note_AfterALongTime_CountsAlone()
    {
        Note(1e6);
        _time.Advance(30 * _options.TransferHalfLife);
        Note(32e6);
        Assert.Equal(32e6, _speeds.From(Device), 1.0);
    }

    [Fact]
    public void Note_SmallTransfer_SaysNothingOfSpeed()
    {
        _speeds.Note(Device, TransferSpeeds.LeastBytes - 1, TimeSpan.FromSeconds(1));
        Assert.Empty(_speeds.Measured);
    }

    [Fact]
    public void Keep_DeviceThatLeft_IsForgotten()
    {
        Note(1e6);
        _speeds.Keep(new HashSet<string>());
        Assert.Equal(Configured, _speeds.From(Device));
    }

    private void Note(double bytesPerSecond) => _speeds.Note(Device, 1_000_000, TimeSpan.FromSeconds(1_000_000 / bytesPerSecond));
}
