using System.Globalization;

namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>Cores that this process leaves to its compute threads alone. Linux.</summary>
internal static class ReservedCores
{
    // Of the process's first thread, before anything is reserved.
    private static readonly Lazy<HashSet<int>> Allowed = new(() => ThreadScheduling.CoresOf(Environment.ProcessId) ?? []);

    /// <summary>Takes every thread of the process, and those to come, off these cores; if the process has no others, off none.</summary>
    /// <remarks>
    /// .NET gives a new thread the cores of the process's first thread, whatever those of its creator. A native thread inherits its creator's, which is why
    /// threads are looked for until none is new.
    /// </remarks>
    /// <returns>Null, or one sentence when the system lets some other thread stay where it is.</returns>
    /// <exception cref="ArgumentException">The process may not use one of them, or the system is not Linux.</exception>
    public static string? Reserve(IReadOnlyList<int> cores)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new ArgumentException("Cores of compute threads can be chosen on Linux only.");
        }

        if (cores.FirstOrDefault(core => !Allowed.Value.Contains(core), -1) is var absent and >= 0)
        {
            throw new ArgumentException($"Compute threads cannot run on core {absent}: this process may use {string.Join(", ", Allowed.Value)}.");
        }

        HashSet<int> others = [.. Allowed.Value.Except(cores)];
        if (others.Count == 0)
        {
            return null;
        }

        string? refused = null;
        HashSet<int> seen = [];
        while (Threads().Where(seen.Add).ToArray() is { Length: > 0 } fresh)
        {
            foreach (int thread in fresh)
            {
                // A compute thread of another device keeps the core that it has. One that has ended meanwhile needs none.
                if (ThreadScheduling.CoresOf(thread) is { } own && own.Overlaps(cores))
                {
                    own.ExceptWith(cores);
                    if (!ThreadScheduling.TryTie(thread, own.Count > 0 ? own : others) && ThreadScheduling.CoresOf(thread) is not null)
                    {
                        refused = "The system does not let threads be taken off the compute cores: others of this process may run there as well.";
                    }
                }
            }
        }

        return refused;
    }

    private static IEnumerable<int> Threads() =>
        Directory.EnumerateDirectories("/proc/self/task").Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture));
}
