namespace ServingGrid.Benchmarks.Reporting;

/// <summary>What one server did in one test: one value for each measure and round, of which the median counts.</summary>
/// <remarks>
/// A shared machine changes from minute to minute: ratios are taken round by round, and the median of them counts too. A percentile of samples pooled over
/// the rounds would be that of the worst round. A round that has no value (no stream was left, say) counts in neither.
/// </remarks>
internal sealed class Findings
{
    /// <summary>Columns of <see cref="AddRows"/>.</summary>
    public static readonly IReadOnlyList<string> Columns = ["measure", "ours", "peer", "ours/peer", "of rounds"];

    // Those that were met first come first.
    private readonly OrderedDictionary<string, List<double>> _measures = [];

    /// <summary>A row for each measure of one server, or of two side by side with their ratio: its median, and the least and the most of a round.</summary>
    /// <param name="table">Of <see cref="Columns"/>, others before them.</param>
    /// <param name="servers">One or two.</param>
    /// <param name="leading">Cells before those.</param>
    public static void AddRows(Table table, IReadOnlyList<Findings> servers, params IEnumerable<object?> leading)
    {
        foreach (string measure in servers[0]._measures.Keys)
        {
            IReadOnlyList<double> ours = servers[0].Rounds(measure);
            IReadOnlyList<double> peer = servers.Count == 1 ? [] : servers[1].Rounds(measure);
            double[] ratios = [.. ours.Zip(peer, (own, other) => own / other).Where(double.IsFinite)];
            string? range = ratios.Length == 0 ? null : $"{Table.Format(ratios.Min())} … {Table.Format(ratios.Max())}";
            table.Add([.. leading, measure, ours.Where(double.IsFinite).Median(), peer.Where(double.IsFinite).Median(), ratios.Median(), range]);
        }
    }

    /// <summary>The value of one round.</summary>
    public void Add(string measure, double value)
    {
        if (!_measures.TryGetValue(measure, out var rounds))
        {
            _measures[measure] = rounds = [];
        }

        rounds.Add(value);
    }

    /// <summary>Latencies of one round: median, 99th percentile and the longest.</summary>
    public void AddLatencies(string measure, IReadOnlyCollection<double> samples)
    {
        Add(measure + " p50", samples.Median());
        Add(measure + " p99", samples.Quantile(0.99));
        Add(measure + " longest", samples.Quantile(1));
    }

    /// <summary>Its values, round by round; none if it was never met.</summary>
    private IReadOnlyList<double> Rounds(string measure) => _measures.TryGetValue(measure, out var rounds) ? rounds : [];
}
