using System.Globalization;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>A group of processes whose memory Linux limits: cgroups(7), version 1 and 2.</summary>
/// <param name="Limit">Most bytes.</param>
/// <param name="Used">Bytes that its processes use, without pages of files that can be dropped at once.</param>
internal readonly record struct ControlGroup(long Limit, long Used)
{
    /// <summary>The groups of this process that have a limit, from its own up to the root of what it can see: each counts.</summary>
    /// <param name="root">Where the system's files are.</param>
    public static IReadOnlyList<ControlGroup> OfThisProcess(string root)
    {
        var groups = new List<ControlGroup>();
        foreach (Mount mount in Mounts(root))
        {
            string top = Path.TrimEndingDirectorySeparator(Path.Combine(root, mount.Point.TrimStart('/')));
            string? folder = Path.Combine(top, OwnPath(root, mount).TrimStart('/'));
            while (folder is not null && folder.Length >= top.Length)
            {
                if (TryRead(folder, mount.IsUnified) is { } group)
                {
                    groups.Add(group);
                }

                folder = Path.GetDirectoryName(folder);
            }
        }

        return groups;
    }

    /// <summary>Mounted hierarchies that may limit memory.</summary>
    private static IEnumerable<Mount> Mounts(string root)
    {
        foreach (string line in Lines(Path.Combine(root, "proc/self/mountinfo")))
        {
            // "35 31 0:32 ROOT POINT rw,relatime shared:1 - cgroup cgroup rw,memory"
            string[] halves = line.Split(" - ");
            string[] place = halves[0].Split(' ');
            string[] kind = halves.Length == 2 ? halves[1].Split(' ') : [];
            if (place.Length < 6 || kind.Length < 3)
            {
                continue;
            }

            bool isUnified = kind[0] == "cgroup2";
            if (isUnified || (kind[0] == "cgroup" && kind[2].Split(',').Contains("memory")))
            {
                yield return new Mount(place[3], place[4], isUnified);
            }
        }
    }

    /// <summary>Where this process's group is below the mount: "/", or "/a/b".</summary>
    private static string OwnPath(string root, Mount mount)
    {
        foreach (string line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            // "0::/user.slice/a.scope", "4:memory:/docker/1234"
            string[] parts = line.Split(':', 3);
            if (parts.Length == 3 && (mount.IsUnified ? parts[0] == "0" : parts[1].Split(',').Contains("memory")))
            {
                // A container without a namespace of its own sees its group mounted, but is told its name from the machine's root on.
                string below = mount.Root == "/" ? parts[2] : parts[2].StartsWith(mount.Root, StringComparison.Ordinal) ? parts[2][mount.Root.Length..] : "/";
                return below.Split('/').Contains("..") ? "/" : below;
            }
        }

        return "/";
    }

    private static ControlGroup? TryRead(string folder, bool isUnified)
    {
        long? limit = isUnified
            ? Least(Number(folder, "memory.max"), Number(folder, "memory.high"))
            : Number(folder, "memory.limit_in_bytes");
        long? used = Number(folder, isUnified ? "memory.current" : "memory.usage_in_bytes");
        if (limit is null || used is null)
        {
            return null;
        }

        // Pages of files that were read once count as used until somebody needs the room: the model file, for one.
        string field = isUnified ? "inactive_file " : "total_inactive_file ";
        string? line = Lines(Path.Combine(folder, "memory.stat")).FirstOrDefault(l => l.StartsWith(field, StringComparison.Ordinal));
        long droppable = line is not null && long.TryParse(line[field.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : 0;
        return new ControlGroup(limit.Value, Math.Max(0, used.Value - droppable));
    }

    private static long? Least(long? a, long? b) => a is null ? b : b is null ? a : Math.Min(a.Value, b.Value);

    /// <summary>Null for "max", for what a process of the machine's root has not, and for what this one may not read.</summary>
    private static long? Number(string folder, string name) =>
        Lines(Path.Combine(folder, name)).FirstOrDefault() is { } line && long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : null;

    private static string[] Lines(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllLines(path) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A group that is gone, or that another user has hidden, limits nothing that could be known here.
            return [];
        }
    }

    private readonly record struct Mount(string Root, string Point, bool IsUnified);
}
