using System.Diagnostics.Metrics;

namespace ServingGrid.Client.Observability;

/// <summary>One instrument with its series. Thread-safe.</summary>
internal sealed class MetricFamily
{
    // A label with values from outside must not fill the memory; what is beyond is counted under no labels.
    private const int MaxSeries = 1000;

    // For latencies in seconds, as operators of LLM servers chart them.
    private static readonly double[] DefaultBounds =
        [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, MetricSeries> _series = [];
    private readonly Instrument _instrument;
    private readonly string _type;
    private readonly Func<MetricSeries> _create;

    private MetricFamily(Instrument instrument, string type, Func<MetricSeries> create) =>
        (_instrument, _type, _create) = (instrument, type, create);

    public string Name => _instrument.Name;

    public static MetricFamily Create<T>(Instrument instrument)
        where T : struct => instrument switch
        {
            Histogram<T> histogram => Histogram(histogram),
            Counter<T> => new MetricFamily(instrument, "counter", () => new SumSeries()),
            UpDownCounter<T> => new MetricFamily(instrument, "gauge", () => new SumSeries()),
            ObservableCounter<T> => new MetricFamily(instrument, "counter", () => new LastValueSeries()),
            _ => new MetricFamily(instrument, "gauge", () => new LastValueSeries()),
        };

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string labels = PrometheusWriter.Labels(tags);
        lock (_lock)
        {
            if (!_series.ContainsKey(labels) && _series.Count >= MaxSeries)
            {
                labels = "";
            }

            if (!_series.TryGetValue(labels, out MetricSeries? series))
            {
                _series[labels] = series = _create();
            }

            series.Record(value);
        }
    }

    /// <summary>An observable instrument is about to report everything that it has now: what it no longer has goes.</summary>
    public void BeginObservation()
    {
        if (_instrument.IsObservable)
        {
            lock (_lock)
            {
                _series.Clear();
            }
        }
    }

    public void Write(PrometheusWriter text)
    {
        lock (_lock)
        {
            if (_series.Count == 0)
            {
                return;
            }

            text.Header(Name, _type, _instrument.Description);
            foreach ((string labels, MetricSeries series) in _series.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                series.Write(text, Name, labels);
            }
        }
    }

    private static MetricFamily Histogram<T>(Histogram<T> histogram)
        where T : struct
    {
        double[] bounds = histogram.Advice?.HistogramBucketBoundaries is { Count: > 0 } advised
            ? [.. advised.Select(bound => Convert.ToDouble(bound, System.Globalization.CultureInfo.InvariantCulture))]
            : DefaultBounds;
        return new MetricFamily(histogram, "histogram", () => new HistogramSeries(bounds));
    }
}
