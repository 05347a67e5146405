using System.Globalization;

namespace ServingGrid.Benchmarks.Reporting;

/// <summary>This process's peak of resident memory (Linux: VmHWM), and the way to start it anew.</summary>
internal static class ProcessMemory
{
    private const string Field = "VmHWM:";

    /// <summary>Peak since the start or the last <see cref="ResetPeak"/>, in MiB; NaN where the system does not tell.</summary>
    public static double PeakMegabytes()
    {
        const string Status = "/proc/self/status";
        string? line = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal)) : null;
        return line is null ? double.NaN : double.Parse(line[Field.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>Lets the peak be that of what follows (proc(5): "5" to clear_refs), after giving back what is garbage.</summary>
    public static void ResetPeak()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        const string ClearReferences = "/proc/self/clear_refs";
        if (File.Exists(ClearReferences))
        {
            File.WriteAllText(ClearReferences, "5");
        }
    }
}
