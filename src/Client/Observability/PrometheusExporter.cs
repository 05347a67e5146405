using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace ServingGrid.Client.Observability;

/// <summary>
/// Collects the instruments of every meter called <c>ServingGrid</c> (or <c>ServingGrid.…</c>) in this process, for a <c>/metrics</c>
/// page. Instruments carry their Prometheus name already, in the base units and with the suffix <c>_total</c> where due. Their
/// buckets are those of the instrument's advice. Values from before the exporter was made are not seen. Thread-safe.
/// </summary>
public sealed class PrometheusExporter : IDisposable
{
    /// <summary>Of the text that <see cref="Render"/> returns.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private const string MeterName = "ServingGrid";

    private readonly ConcurrentDictionary<Instrument, MetricFamily> _families = new();
    private readonly MeterListener _listener = new();
    private readonly Lock _observing = new();

    public PrometheusExporter()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            string meter = instrument.Meter.Name;
            if (meter == MeterName || meter.StartsWith(MeterName + ".", StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        Listen<byte>(value => value);
        Listen<short>(value => value);
        Listen<int>(value => value);
        Listen<long>(value => value);
        Listen<float>(value => value);
        Listen<double>(value => value);
        Listen<decimal>(value => (double)value);
        _listener.Start();
    }

    /// <summary>All instruments with at least one value, by name.</summary>
    public string Render()
    {
        // Written under the same lock: an observation for somebody else begins by clearing what was observed for this one.
        lock (_observing)
        {
            foreach (MetricFamily family in _families.Values)
            {
                family.BeginObservation();
            }

            _listener.RecordObservableInstruments();
            var text = new PrometheusWriter();
            foreach (MetricFamily family in _families.Values.OrderBy(family => family.Name, StringComparer.Ordinal))
            {
                family.Write(text);
            }

            return text.ToString();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private void Listen<T>(Func<T, double> convert)
        where T : struct =>
        _listener.SetMeasurementEventCallback<T>((instrument, value, tags, _) =>
            _families.GetOrAdd(instrument, MetricFamily.Create<T>).Record(convert(value), tags));
}
