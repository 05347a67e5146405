using System.Diagnostics;
using System.Globalization;

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>A process as Linux shows it in /proc.</summary>
internal static class LinuxProcess
{
    private const string Resident = "VmRSS:";
    private const string Listening = "0A";

    /// <summary>Runs what follows it with so few open files; put it in front of a command line.</summary>
    public static string[] WithOpenFiles(int limit) => ["sh", "-c", $"ulimit -n {limit}; exec \"$@\"", "sh"];

    /// <summary>Memory that is in use, in MiB.</summary>
    public static double ResidentMegabytes(int process)
    {
        string line = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(Resident, StringComparison.Ordinal));
        return double.Parse(line[Resident.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>Waits until the process takes no more than so much memory; fails after a minute.</summary>
    public static async Task WaitForMemoryAsync(int process, double megabytes)
    {
        long start = Stopwatch.GetTimestamp();
        double now;
        while ((now = ResidentMegabytes(process)) > megabytes)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(1),
                string.Create(CultureInfo.InvariantCulture, $"{now:F0} MiB after a minute, {megabytes:F0} expected"));
            await Task.Delay(500);
        }
    }

    /// <summary>Ports that the process listens on (TCP), in ascending order.</summary>
    public static int[] ListeningPorts(int process)
    {
        HashSet<string> sockets =
        [
            .. Directory.EnumerateFiles($"/proc/{process}/fd").Select(file => new FileInfo(file).LinkTarget ?? "")
                .Where(target => target.StartsWith("socket:[", StringComparison.Ordinal)).Select(target => target["socket:[".Length..^1]),
        ];
        return
        [
            .. new[] { "tcp", "tcp6" }.SelectMany(table => File.ReadLines($"/proc/{process}/net/{table}").Skip(1))
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(fields => fields[3] == Listening && sockets.Contains(fields[9]))
                .Select(fields =>
                    int.Parse(fields[1].AsSpan(fields[1].IndexOf(':') + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                .Order(),
        ];
    }
}
