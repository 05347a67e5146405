namespace ServingGrid.Benchmarks.Reporting;

/// <summary>What one server did in one test: samples by measure, pooled over the rounds, and how to sum them up.</summary>
internal sealed class Findings
{
    private readonly Dictionary<string, (List<double> Samples, Func<IEnumerable<double>, double> Sum)> _measures = [];

    /// <summary>One server's findings, or two servers' side by side.</summary>
    public static Table Compare(IReadOnlyList<Findings> servers)
    {
        var table = new Table("measure", "ours", "peer", "ours/peer");
        foreach (string measure in servers[0].Measures)
        {
            double own = servers[0].Result(measure);
            double other = servers.Count == 1 ? double.NaN : servers[1].Result(measure);
            table.Add(measure, own, other, own / other);
        }

        return table;
    }

    /// <summary>In the order in which they were first met.</summary>
    public IEnumerable<string> Measures => _measures.Keys;

    /// <summary>One value for each round: the median of them counts.</summary>
    public void Add(string measure, double value) => Pool(measure, [value], Samples.Median);

    /// <summary>Latencies: median, 99th percentile and the longest.</summary>
    public void AddLatencies(string measure, IReadOnlyCollection<double> samples)
    {
        Pool(measure + " p50", samples, Samples.Median);
        Pool(measure + " p99", samples, values => values.Quantile(0.99));
        Pool(measure + " longest", samples, values => values.Quantile(1));
    }

    public double Result(string measure) => _measures.TryGetValue(measure, out var found) ? found.Sum(found.Samples) : double.NaN;

    private void Pool(string measure, IReadOnlyCollection<double> samples, Func<IEnumerable<double>, double> sum)
    {
        if (!_measures.TryGetValue(measure, out var found))
        {
            _measures[measure] = found = ([], sum);
        }

        found.Samples.AddRange(samples);
    }
}
