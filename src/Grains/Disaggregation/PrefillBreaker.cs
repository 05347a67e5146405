using ServingGrid.Grains.Diagnostics;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>
/// This silo's circuit breaker for prefill devices: one that fails several times in a row, or holds up a request once, gets no prompts for a
/// time that doubles as long as its probes fail. A probe is the first prompt after that time; if it is computed, the device is back
/// (Nygard, "Release It!", 2007). Thread-safe.
/// </summary>
public sealed class PrefillBreaker(DisaggregationOptions options, TimeProvider time, ILogger<PrefillBreaker> log)
{
    // A success that takes this many times what was expected (and more than a stall) counts as a failure.
    private const double SlowFactor = 4;

    private readonly Lock _lock = new();

    // Devices in trouble alone.
    private readonly Dictionary<string, Circuit> _circuits = new(StringComparer.Ordinal);

    /// <summary>True while the device may be chosen: it is not out, or it is due for a probe that nobody has started.</summary>
    public bool Allows(string device)
    {
        lock (_lock)
        {
            return !_circuits.TryGetValue(device, out Circuit? circuit) || IsDue(circuit);
        }
    }

    /// <summary>Before each prompt. False when the device is out, or another prompt is its probe; after true one of the others follows.</summary>
    public bool TryEnter(string device)
    {
        lock (_lock)
        {
            if (!_circuits.TryGetValue(device, out Circuit? circuit))
            {
                return true;
            }

            if (!IsDue(circuit))
            {
                return false;
            }

            circuit.Probing = circuit.Openings > 0;
            return true;
        }
    }

    /// <summary>The prompt was computed and its blocks are here.</summary>
    /// <param name="device">By that device.</param>
    /// <param name="elapsed">In that time.</param>
    /// <param name="expected">The estimate by which the device was chosen.</param>
    public void Succeeded(string device, TimeSpan elapsed, TimeSpan expected)
    {
        if (elapsed > (SlowFactor * expected) + options.StallTime)
        {
            Fail(device, stalled: false, $"a prompt took {elapsed.TotalSeconds:0.0} s, not {expected.TotalSeconds:0.0} s");
            return;
        }

        lock (_lock)
        {
            if (_circuits.Remove(device, out Circuit? circuit) && circuit.Openings > 0)
            {
                log.BreakerClosed(device);
            }
        }
    }

    /// <summary>The prompt was not computed, for whatever reason but the request's own end.</summary>
    public void Failed(string device, TimeSpan elapsed, string reason) => Fail(device, elapsed >= options.StallTime, reason);

    /// <summary>The request has ended meanwhile: nothing is known of the device.</summary>
    public void Abandoned(string device)
    {
        lock (_lock)
        {
            if (_circuits.TryGetValue(device, out Circuit? circuit))
            {
                circuit.Probing = false;
            }
        }
    }

    /// <summary>The devices in trouble, with their consecutive failures and how much longer they are out.</summary>
    public IReadOnlyList<(string Device, int Failures, TimeSpan OutFor)> Read()
    {
        lock (_lock)
        {
            long now = time.GetTimestamp();
            return [.. _circuits.Select(entry => (
                entry.Key, entry.Value.Failures, entry.Value.OutUntil > now ? time.GetElapsedTime(now, entry.Value.OutUntil) : TimeSpan.Zero))];
        }
    }

    private void Fail(string device, bool stalled, string reason)
    {
        lock (_lock)
        {
            long now = time.GetTimestamp();
            Forget(now);
            if (!_circuits.TryGetValue(device, out Circuit? circuit))
            {
                _circuits.Add(device, circuit = new Circuit());
            }

            circuit.Failures++;
            circuit.FailedAt = now;
            bool wasProbe = circuit.Probing;
            if (!wasProbe && (now < circuit.OutUntil || (!stalled && circuit.Failures < options.BreakerFailures)))
            {
                // Prompts that were on their way when the device was taken out do not lengthen its time.
                return;
            }

            TimeSpan outFor = TimeSpan.FromSeconds(Math.Min(options.BreakerTime.TotalSeconds * Math.Pow(2, circuit.Openings), options.BreakerMaxTime.TotalSeconds));
            circuit.Probing = false;
            circuit.Openings++;
            circuit.OutUntil = now + (long)(outFor.TotalSeconds * time.TimestampFrequency);
            GridMetrics.BreakerOpened.Add(1, new KeyValuePair<string, object?>("device", device));
            log.BreakerOpened(device, outFor.TotalSeconds, reason);
        }
    }

    /// <summary>Forgets devices that nobody has asked for long: their silos are gone.</summary>
    private void Forget(long now)
    {
        foreach (string device in _circuits.Where(entry => !entry.Value.Probing && time.GetElapsedTime(entry.Value.FailedAt, now) > 10 * options.BreakerMaxTime).Select(entry => entry.Key).ToList())
        {
            _circuits.Remove(device);
        }
    }

    private bool IsDue(Circuit circuit) => !circuit.Probing && time.GetTimestamp() >= circuit.OutUntil;

    private sealed class Circuit
    {
        public int Failures { get; set; }

        public int Openings { get; set; }

        public long OutUntil { get; set; } = long.MinValue;

        public long FailedAt { get; set; }

        public bool Probing { get; set; }
    }
}
