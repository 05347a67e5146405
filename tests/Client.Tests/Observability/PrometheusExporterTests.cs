using System.Diagnostics.Metrics;
using ServingGrid.Client.Observability;

namespace ServingGrid.Client.Tests.Observability;

public sealed class PrometheusExporterTests : IDisposable
{
    private readonly PrometheusExporter _exporter = new();
    private readonly Meter _meter = new("ServingGrid.ExporterTests");

    public void Dispose()
    {
        _meter.Dispose();
        _exporter.Dispose();
    }

    [Fact]
    public void Render_Counter_SumsByLabels()
    {
        Counter<long> counter = _meter.CreateCounter<long>("test_requests_total", description: "Requests\nseen.");
        counter.Add(2, new("b", 1), new("a", "x\"\\"));
        counter.Add(3, new("a", "x\"\\"), new("b", 1));
        counter.Add(1);

        Assert.Contains(
            """
            # HELP test_requests_total Requests\nseen.
            # TYPE test_requests_total counter
            test_requests_total 1
            test_requests_total{a="x\"\\",b="1"} 5

            """,
            _exporter.Render());
    }

    [Fact]
    public void Render_ManyAtATime_EachHasWhatIsObserved()
    {
        _meter.CreateObservableGauge("test_observed", () => new Measurement<int>(1));
        Parallel.For(0, 2000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ => Assert.Contains("test_observed 1\n", _exporter.Render()));
    }

    [Fact]
    public void Render_Histogram_CountsAreCumulativeAndBoundsInclusive()
    {
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] };
        Histogram<double> histogram = _meter.CreateHistogram("test_seconds", advice: advice);
        histogram.Record(0.5);
        histogram.Record(0.75);
        histogram.Record(7);

        Assert.Contains(
            """
            # TYPE test_seconds histogram
            test_seconds_bucket{le="0.5"} 1
            test_seconds_bucket{le="1"} 2
            test_seconds_bucket{le="+Inf"} 3
            test_seconds_sum 8.25
            test_seconds_count 3

            """,
            _exporter.Render());
    }

    [Fact]
    public void Render_ObservableGauge_ShowsOnlyWhatIsReportedNow()
    {
        List<Measurement<int>> now = [new(1, new KeyValuePair<string, object?>("device", "a")), new(2, new KeyValuePair<string, object?>("device", "b"))];
        _meter.CreateObservableGauge("test_devices", () => now);
        Assert.Contains("test_devices{device=\"a\"} 1\ntest_devices{device=\"b\"} 2\n", _exporter.Render());

        now.RemoveAt(0);
        string text = _exporter.Render();
        Assert.DoesNotContain("device=\"a\"", text);
        Assert.Contains("test_devices{device=\"b\"} 2\n", text);
    }

    [Fact]
    public void Render_UpDownCounter_IsAGauge()
    {
        UpDownCounter<int> counter = _meter.CreateUpDownCounter<int>("test_in_flight");
        counter.Add(3);
        counter.Add(-1);

        Assert.Contains("# TYPE test_in_flight gauge\ntest_in_flight 2\n", _exporter.Render());
    }

    [Fact]
    public void Render_EndlessLabelValues_SeriesAreBounded()
    {
        Counter<int> counter = _meter.CreateCounter<int>("test_bounded_total");
        for (int i = 0; i < 3000; i++)
        {
            counter.Add(1, new KeyValuePair<string, object?>("id", i));
        }

        string[] lines = [.. _exporter.Render().Split('\n').Where(line => line.StartsWith("test_bounded_total", StringComparison.Ordinal))];
        Assert.InRange(lines.Length, 1000, 1001);
        Assert.Equal(3000, lines.Sum(line => int.Parse(line.Split(' ')[1])));
    }

    [Fact]
    public void Render_ForeignMeter_IsNotShown()
    {
        using var foreign = new Meter("ServingGridlike");
        foreign.CreateCounter<int>("test_foreign_total").Add(1);

        Assert.DoesNotContain("test_foreign_total", _exporter.Render());
    }
}
