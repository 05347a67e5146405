namespace ServingGrid.Benchmarks.Limits;

/// <summary>What the machine can do at most, measured now: everything else is a share of it.</summary>
/// <param name="ReadGigabytes">GB/s read from memory.</param>
/// <param name="FloatGigaops">GFLOP/s of F32 multiply-adds.</param>
/// <param name="Int8Gigaops">Giga-operations/s of int8 dot products; that of F32 where the processor (or system) has none.</param>
internal sealed record MachineLimits(double ReadGigabytes, double FloatGigaops, double Int8Gigaops)
{
    public static MachineLimits Measure(int threads)
    {
        double floats = FloatPeak.Measure(threads);
        return new MachineLimits(ReadBandwidth.Measure(threads), floats, Int8Peak.IsSupported ? Int8Peak.Measure(threads) : floats);
    }

    public void Print(TextWriter writer, int threads) =>
        writer.WriteLine($"machine, {threads} thread{(threads == 1 ? "" : "s")}: reads {ReadGigabytes:F1} GB/s, F32 {FloatGigaops:F0} GFLOP/s, int8 {Int8Gigaops:F0} GOP/s{(Int8Peak.IsSupported ? "" : " (no VNNI: F32's)")}");
}
