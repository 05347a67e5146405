using System.Globalization;

namespace ServingGrid.Client.Connections;

/// <summary>
/// How many files and sockets this process may have open, and what of it connections may take. .NET itself has raised the soft limit to the
/// hard one by the time this is asked. A process that has run out can neither accept nor load code, and the runtime ends it: what
/// connections may take stays well below the limit.
/// </summary>
public static class OpenFiles
{
    /// <summary>
    /// Kept for everything else: assemblies, which stay open (about 250), the model, the membership store, connections that this process
    /// opens itself, and those that are being closed.
    /// </summary>
    public const int Reserve = 400;

    /// <summary>Fewest connections without which no program of ours is of use.</summary>
    public const int FewestConnections = 48;

    // Where the system has no such limit, or does not say.
    private const int Unknown = 10_240;

    private const string Entry = "Max open files";

    /// <summary>The process's limit (<c>ulimit -n</c>).</summary>
    public static int Limit { get; } = File.Exists("/proc/self/limits") ? Parse(File.ReadLines("/proc/self/limits")) : Unknown;

    /// <summary>Connections of all ports together; negative when the limit is below the reserve.</summary>
    public static int ForConnections => Limit - Reserve;

    /// <summary>One sentence when the limit is too low to serve anybody, else null.</summary>
    public static string? Validate() => ForConnections >= FewestConnections
        ? null
        : $"This process may have {Limit} files open (ulimit -n): at least {Reserve + FewestConnections} are needed.";

    /// <summary>The soft limit of <c>/proc/self/limits</c>.</summary>
    internal static int Parse(IEnumerable<string> limits)
    {
        string? line = limits.FirstOrDefault(line => line.StartsWith(Entry, StringComparison.Ordinal));
        string? soft = line?[Entry.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return soft == "unlimited" ? int.MaxValue
            : long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out long limit) ? (int)Math.Min(limit, int.MaxValue)
            : Unknown;
    }
}
