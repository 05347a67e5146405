using System.Globalization;
using ServingGrid.Kernels.Cpu;

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>A thread of a process, as Linux shows it in /proc.</summary>
/// <param name="Name">At most 15 characters of its name.</param>
/// <param name="Cores">Where it may run.</param>
/// <param name="IsIdlePolicy">It runs only where no other wants to.</param>
internal sealed record LinuxThread(string Name, int[] Cores, bool IsIdlePolicy)
{
    // proc_pid_stat(5) has the policy as field 41, the 39th after the name in parentheses.
    private const int PolicyField = 38;
    private const string IdlePolicy = "5";

    /// <summary>A thread of the device: the engine's, which is worker 0, or one of the pool's.</summary>
    public bool Computes => Name.StartsWith("engine", StringComparison.Ordinal) || Name.StartsWith("cpu-worker", StringComparison.Ordinal);

    /// <summary>Of all threads that the process has now.</summary>
    public static IReadOnlyList<LinuxThread> Of(int process) => [.. Directory.GetDirectories($"/proc/{process}/task").Select(Read).OfType<LinuxThread>()];

    /// <summary>Cores that this process may use.</summary>
    public static int[] OwnCores() => Read("/proc/self")!.Cores;

    private static LinuxThread? Read(string folder)
    {
        try
        {
            string[] status = File.ReadAllLines(Path.Combine(folder, "status"));
            string stat = File.ReadAllText(Path.Combine(folder, "stat"));
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return new LinuxThread(Field("Name:"), [.. CoreList.TryParse(Field("Cpus_allowed_list:"), out _)!], fields[PolicyField] == IdlePolicy);

            string Field(string name) => status.First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim();
        }
        catch (IOException)
        {
            // It has ended since it was listed.
            return null;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Name} on {string.Join(',', Cores)}{(IsIdlePolicy ? ", idle" : "")}");
}
