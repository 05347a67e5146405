namespace ServingGrid.Benchmarks.Reporting;

/// <summary>Statistics of measured values; NaN of none.</summary>
internal static class Samples
{
    public static double Median(this IEnumerable<double> values) => values.Quantile(0.5);

    /// <summary>Nearest rank: the smallest value that at least this share of the values do not exceed.</summary>
    public static double Quantile(this IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN : sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
    }
}
