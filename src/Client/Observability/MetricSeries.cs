namespace ServingGrid.Client.Observability;

/// <summary>The values of one instrument under one set of labels. Guarded by its instrument's lock.</summary>
internal abstract class MetricSeries
{
    public abstract void Record(double value);

    /// <param name="text">Receives complete lines.</param>
    /// <param name="name">The metric's name.</param>
    /// <param name="labels">Labels without braces, "" for none.</param>
    public abstract void Write(PrometheusWriter text, string name, string labels);
}

/// <summary>What was added so far: a counter, or a gauge that is counted up and down.</summary>
internal sealed class SumSeries : MetricSeries
{
    private double _sum;

    public override void Record(double value) => _sum += value;

    public override void Write(PrometheusWriter text, string name, string labels) => text.Sample(name, labels, _sum);
}

/// <summary>The latest value: a gauge, or what an observable instrument reports.</summary>
internal sealed class LastValueSeries : MetricSeries
{
    private double _value;

    public override void Record(double value) => _value = value;

    public override void Write(PrometheusWriter text, string name, string labels) => text.Sample(name, labels, _value);
}

/// <summary>Counts of values by size.</summary>
/// <param name="bounds">Upper bounds of the buckets, ascending; one more bucket has no bound.</param>
internal sealed class HistogramSeries(double[] bounds) : MetricSeries
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private double _sum;

    public override void Record(double value)
    {
        int bucket = Array.BinarySearch(bounds, value);
        _counts[bucket >= 0 ? bucket : ~bucket]++;
        _sum += value;
    }

    public override void Write(PrometheusWriter text, string name, string labels)
    {
        long count = 0;
        string separator = labels.Length > 0 ? "," : "";
        for (int i = 0; i < _counts.Length; i++)
        {
            count += _counts[i];
            string bound = i < bounds.Length ? PrometheusWriter.Format(bounds[i]) : "+Inf";
            text.Sample(name + "_bucket", $"{labels}{separator}le=\"{bound}\"", count);
        }

        text.Sample(name + "_sum", labels, _sum);
        text.Sample(name + "_count", labels, count);
    }
}
