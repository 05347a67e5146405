using System.Globalization;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>
/// Memory that this process may use, by the machine's account and by those of its control groups (containers, systemd's <c>MemoryMax</c>). Not the
/// garbage collector's: weights and KV cache do not lie in its heap, and <c>DOTNET_GCHeapHardLimit</c> says nothing about them.
/// </summary>
/// <param name="Total">Bytes there are.</param>
/// <param name="Available">Bytes that can be used now without swapping; file caches count as free.</param>
internal readonly record struct MemoryInfo(long Total, long Available)
{
    private const string MachineFile = "proc/meminfo";

    /// <summary>As it is now.</summary>
    /// <param name="root">Where the system's files are.</param>
    public static MemoryInfo Read(string root = "/")
    {
        MemoryInfo memory = Machine(root);
        foreach (ControlGroup group in ControlGroup.OfThisProcess(root))
        {
            memory = new MemoryInfo(Math.Min(memory.Total, group.Limit), Math.Min(memory.Available, Math.Max(0, group.Limit - group.Used)));
        }

        return memory;
    }

    private static MemoryInfo Machine(string root)
    {
        long? total = null;
        long? available = null;
        string path = Path.Combine(root, MachineFile);
        foreach (string line in File.Exists(path) ? File.ReadLines(path) : [])
        {
            // "MemAvailable:   12345678 kB"
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is [var name, var kilobytes, "kB"] && long.TryParse(kilobytes, CultureInfo.InvariantCulture, out long value))
            {
                total = name == "MemTotal:" ? value * 1024 : total;
                available = name == "MemAvailable:" ? value * 1024 : available;
            }
        }

        if (total is { } all)
        {
            // Linux before 3.14 does not say what is available.
            return new MemoryInfo(all, available ?? all);
        }

        // Where no file says it, the runtime has asked the system, but tells its own limit if it has one.
        long physical = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new MemoryInfo(physical, Math.Max(0, physical - Environment.WorkingSet));
    }
}
