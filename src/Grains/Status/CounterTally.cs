using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using ServingGrid.Grains.Diagnostics;

namespace ServingGrid.Grains.Status;

/// <summary>
/// Counts along with this process's counters of decisions, fallbacks and failures, so that the status page has them without
/// scraping every silo. Thread-safe.
/// </summary>
internal sealed class CounterTally : IHostedService, IDisposable
{
    private const string Prefix = "servinggrid_";

    // Ids of devices are labels, and each start of a silo makes a new one; what is beyond is counted under no labels.
    private const int MaxSeries = 100;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<string, long>> _counts = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();

    public CounterTally()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument is Counter<long> && instrument.Meter.Name == GridMetrics.Meter.Name && instrument.Name.StartsWith(Prefix, StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument.Name, Labels(tags), value));
        _listener.Start();
    }

    /// <summary>By name and labels; those that have counted nothing are missing.</summary>
    public IReadOnlyDictionary<string, long> Read()
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        lock (_lock)
        {
            foreach ((string name, Dictionary<string, long> series) in _counts)
            {
                foreach ((string labels, long count) in series)
                {
                    counts[labels.Length == 0 ? name : $"{name}{{{labels}}}"] = count;
                }
            }
        }

        return counts;
    }

    // Hosted so that the container makes it with the silo: what was counted before is not seen.
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _listener.Dispose();

    private void Add(string name, string labels, long value)
    {
        lock (_lock)
        {
            if (!_counts.TryGetValue(name, out Dictionary<string, long>? series))
            {
                _counts[name] = series = new Dictionary<string, long>(StringComparer.Ordinal);
            }

            string counted = series.Count < MaxSeries || series.ContainsKey(labels) ? labels : "";
            series[counted] = series.GetValueOrDefault(counted) + value;
        }
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> labels)
    {
        List<string> texts = [];
        foreach ((string label, object? value) in labels)
        {
            // A silo has one model, and its status names it.
            if (label != "model_name")
            {
                texts.Add($"{label}=\"{value}\"");
            }
        }

        return string.Join(',', texts);
    }
}
