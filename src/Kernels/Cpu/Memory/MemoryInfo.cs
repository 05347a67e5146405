using System.Globalization;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>What the system says about its memory.</summary>
internal static class MemoryInfo
{
    private const string Path = "/proc/meminfo";

    /// <summary>Linux's <c>MemAvailable</c>: what can be used without swapping, caches included; null where it is not to be had.</summary>
    public static long? AvailableBytes()
    {
        if (!File.Exists(Path))
        {
            return null;
        }

        foreach (string line in File.ReadLines(Path))
        {
            // "MemAvailable:   12345678 kB"
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is ["MemAvailable:", var kilobytes, "kB"] && long.TryParse(kilobytes, CultureInfo.InvariantCulture, out long value))
            {
                return value * 1024;
            }
        }

        return null;
    }
}
