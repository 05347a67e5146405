using System.Globalization;

namespace ServingGrid.Benchmarks.Reporting;

/// <summary>Resident memory of processes, as Linux accounts for it: pages of mapped files count.</summary>
internal static class ProcessMemory
{
    private const string Peak = "VmHWM:";

    /// <summary>This process's peak since the start or the last <see cref="ResetPeak"/>, in MiB; NaN where the system does not tell.</summary>
    public static double PeakMegabytes() => PeakMegabytes(Environment.ProcessId);

    /// <summary>A process's peak in MiB; NaN where the system does not tell, or when it has ended.</summary>
    public static double PeakMegabytes(int process) => Read(process, Peak);

    /// <summary>A process's resident memory now in MiB, by what it consists of.</summary>
    public static (double Anonymous, double File) ResidentMegabytes(int process) => (Read(process, "RssAnon:"), Read(process, "RssFile:"));

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

    private static double Read(int process, string field)
    {
        string status = $"/proc/{process}/status";
        try
        {
            // "VmHWM:     12345 kB"; a process that has ended but not been waited for has no such line.
            string? line = File.ReadLines(status).FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal));
            return line is null ? double.NaN : double.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / 1024;
        }
        catch (IOException)
        {
            return double.NaN;
        }
    }
}
