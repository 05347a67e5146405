using System.Collections.Concurrent;
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

    private readonly ConcurrentDictionary<string, long> _counts = new(StringComparer.Ordinal);
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
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            _counts.AddOrUpdate(Name(instrument.Name, tags), value, (_, sum) => sum + value));
        _listener.Start();
    }

    /// <summary>By name and labels; those that have counted nothing are missing.</summary>
    public IReadOnlyDictionary<string, long> Read() => new SortedDictionary<string, long>(_counts, StringComparer.Ordinal);

    // Hosted so that the container makes it with the silo: what was counted before is not seen.
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _listener.Dispose();

    private static string Name(string instrument, ReadOnlySpan<KeyValuePair<string, object?>> labels)
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

        return texts.Count == 0 ? instrument : $"{instrument}{{{string.Join(',', texts)}}}";
    }
}
