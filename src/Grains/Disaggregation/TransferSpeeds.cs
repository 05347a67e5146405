using System.Collections.Concurrent;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>How fast KV comes from each prefill device: a moving average of what was measured, or the configured speed before. Thread-safe.</summary>
public sealed class TransferSpeeds(DisaggregationOptions options)
{
    /// <summary>Smaller transfers measure the latency of the way, not its speed.</summary>
    public const long LeastBytes = 64 * 1024;

    private const double Smoothing = 0.2;

    private readonly ConcurrentDictionary<string, double> _bytesPerSecond = new(StringComparer.Ordinal);

    /// <summary>The devices that were measured, with their bytes per second.</summary>
    public IReadOnlyCollection<KeyValuePair<string, double>> Measured => [.. _bytesPerSecond];

    /// <summary>Bytes per second from a device.</summary>
    public double From(string device) => _bytesPerSecond.TryGetValue(device, out double speed) ? speed : options.TransferBytesPerSecond;

    /// <summary>Takes note of a transfer.</summary>
    public void Note(string device, long bytes, TimeSpan time)
    {
        if (bytes >= LeastBytes && time > TimeSpan.Zero)
        {
            double speed = bytes / time.TotalSeconds;
            _bytesPerSecond.AddOrUpdate(device, speed, (_, average) => average + (Smoothing * (speed - average)));
        }
    }

    /// <summary>Forgets devices that have left.</summary>
    public void Keep(IReadOnlySet<string> devices)
    {
        foreach (string device in _bytesPerSecond.Keys.Where(device => !devices.Contains(device)))
        {
            _bytesPerSecond.TryRemove(device, out _);
        }
    }
}
