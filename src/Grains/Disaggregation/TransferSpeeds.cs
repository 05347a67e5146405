using System.Collections.Concurrent;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>
/// How fast KV comes from each prefill device: a moving average of what was measured, or the configured speed before. What was measured fades into
/// the configured speed with time: a way that was slow once is not chosen, so that nothing else would ever show that it is fast again.
/// Averages are geometric, because speeds differ by orders of magnitude. Thread-safe.
/// </summary>
public sealed class TransferSpeeds(DisaggregationOptions options, TimeProvider time)
{
    /// <summary>Smaller transfers measure the latency of the way, not its speed.</summary>
    public const long LeastBytes = 64 * 1024;

    private const double Smoothing = 0.2;

    // After so many half-lives nothing is left of a measurement.
    private const double Memory = 20;

    private readonly ConcurrentDictionary<string, Measurement> _measured = new(StringComparer.Ordinal);

    /// <summary>The devices that were measured, with their bytes per second.</summary>
    public IReadOnlyCollection<KeyValuePair<string, double>> Measured => [.. _measured.Select(entry => KeyValuePair.Create(entry.Key, Faded(entry.Value)))];

    /// <summary>Bytes per second from a device.</summary>
    public double From(string device) => _measured.TryGetValue(device, out Measurement measured) ? Faded(measured) : options.TransferBytesPerSecond;

    /// <summary>Takes note of a transfer.</summary>
    /// <param name="device">From there.</param>
    /// <param name="bytes">What came.</param>
    /// <param name="elapsed">The time that it took.</param>
    public void Note(string device, long bytes, TimeSpan elapsed)
    {
        if (bytes < LeastBytes || elapsed <= TimeSpan.Zero)
        {
            return;
        }

        Measurement latest = new(bytes / elapsed.TotalSeconds, time.GetTimestamp());
        if (!_measured.ContainsKey(device))
        {
            // Silos come and go, and each start makes a new device.
            ForgetFaded();
        }

        _measured.AddOrUpdate(device, latest, (_, last) => latest with { BytesPerSecond = Between(latest.BytesPerSecond, last.BytesPerSecond, (1 - Smoothing) * Remembered(last)) });
    }

    /// <summary>Forgets devices that have left.</summary>
    public void Keep(IReadOnlySet<string> devices)
    {
        foreach (string device in _measured.Keys.Where(device => !devices.Contains(device)))
        {
            _measured.TryRemove(device, out _);
        }
    }

    private void ForgetFaded()
    {
        foreach ((string device, Measurement measured) in _measured)
        {
            if (time.GetElapsedTime(measured.At) > Memory * options.TransferHalfLife)
            {
                _measured.TryRemove(KeyValuePair.Create(device, measured));
            }
        }
    }

    private double Faded(Measurement measured) => Between(options.TransferBytesPerSecond, measured.BytesPerSecond, Remembered(measured));

    /// <summary>The share that a measurement still has: 1 at once, 1/2 after the half-life.</summary>
    private double Remembered(Measurement measured) => Math.Pow(0.5, time.GetElapsedTime(measured.At) / options.TransferHalfLife);

    private static double Between(double one, double other, double shareOfOther) => one * Math.Pow(other / one, shareOfOther);

    private readonly record struct Measurement(double BytesPerSecond, long At);
}
