using System.Diagnostics;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Testing;

namespace ServingGrid.Kernels.Tests.Cpu.Memory;

/// <summary>Files as Linux writes them, below a folder.</summary>
public sealed class MemoryInfoTests : IDisposable
{
    private const long Gigabyte = 1 << 30;
    private readonly TemporaryFolder _root = new();

    public MemoryInfoTests() => Write("proc/meminfo", "MemTotal:       33554432 kB\nMemFree:         1048576 kB\nMemAvailable:   25165824 kB\nHugePages_Total:       0");

    [Fact]
    public void Read_NoControlGroups_TheMachines() => AssertMemory(32 * Gigabyte, 24 * Gigabyte);

    [Fact]
    public void Read_KernelThatDoesNotSayWhatIsAvailable_AllOfIt()
    {
        Write("proc/meminfo", "MemTotal:       33554432 kB");
        AssertMemory(32 * Gigabyte, 32 * Gigabyte);
    }

    /// <summary>What a container of today sees: its own group at the root.</summary>
    [Fact]
    public void Read_Version2AtTheRoot_LimitLessUseThatIsNotOfFiles()
    {
        Unified("/", "0::/");
        Group("sys/fs/cgroup", max: $"{8 * Gigabyte}", current: 3 * Gigabyte, inactive: Gigabyte);
        AssertMemory(8 * Gigabyte, 6 * Gigabyte);
    }

    /// <summary>systemd: a service in a slice; the slice has the limit that counts, of which others have used some.</summary>
    [Fact]
    public void Read_Version2Nested_TheTightestOfAll()
    {
        Unified("/", "0::/a.slice/b.service");
        Group("sys/fs/cgroup/a.slice/b.service", max: "max", current: Gigabyte, high: $"{20 * Gigabyte}");
        Group("sys/fs/cgroup/a.slice", max: $"{10 * Gigabyte}", current: 9 * Gigabyte, inactive: Gigabyte / 2);
        AssertMemory(10 * Gigabyte, (3 * Gigabyte) / 2);
        Group("sys/fs/cgroup/a.slice/b.service", max: "max", current: Gigabyte, high: $"{2 * Gigabyte}");
        AssertMemory(2 * Gigabyte, Gigabyte);
    }

    [Fact]
    public void Read_Version2WithoutLimits_TheMachines()
    {
        Unified("/", "0::/a.slice");
        Group("sys/fs/cgroup/a.slice", max: "max", current: 30 * Gigabyte, high: "max");
        AssertMemory(32 * Gigabyte, 24 * Gigabyte);
    }

    [Fact]
    public void Read_Version1Nested_TheTightestOfAll()
    {
        Write("proc/self/mountinfo", """
            31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
            32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
            """);
        Write("proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/other\n0::/");
        Write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", $"{4 * Gigabyte}");
        Write("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", $"{3 * Gigabyte}");
        Write("sys/fs/cgroup/memory/docker/abc/memory.stat", $"cache 5\ninactive_file 7\ntotal_inactive_file {2 * Gigabyte}");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        Write("sys/fs/cgroup/memory/memory.usage_in_bytes", $"{30 * Gigabyte}");
        AssertMemory(4 * Gigabyte, 3 * Gigabyte);
    }

    /// <summary>A container that sees only its group, and is told the group's name from the machine's root on.</summary>
    [Fact]
    public void Read_MountOfAGroupOfItsOwn_TheNameCountsFromThere()
    {
        Unified("/docker/abc", "0::/docker/abc/inner");
        Group("sys/fs/cgroup/inner", max: $"{6 * Gigabyte}", current: Gigabyte);
        Group("sys/fs/cgroup", max: $"{5 * Gigabyte}", current: Gigabyte);
        AssertMemory(5 * Gigabyte, 4 * Gigabyte);
    }

    [Fact]
    public void Read_MoreUsedThanTheLimit_NothingIsAvailable()
    {
        Unified("/", "0::/../elsewhere");
        Group("sys/fs/cgroup", max: $"{Gigabyte}", current: 2 * Gigabyte);
        AssertMemory(Gigabyte, 0);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("31 23 0:28 / /sys/fs/cgroup rw - cgroup2")]
    [InlineData("31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")]
    public void Read_FilesThatSayNothing_TheMachines(string mounts)
    {
        Write("proc/self/mountinfo", mounts);
        Write("proc/self/cgroup", "garbage\n::");
        Write("sys/fs/cgroup/memory.max", "many");
        AssertMemory(32 * Gigabyte, 24 * Gigabyte);
    }

    /// <summary>
    /// The limit of the garbage collector's heap is not the machine's memory: the device of a process that has one (this test's own, started once more for the other test
    /// below) knows the same memory as here.
    /// </summary>
    [Fact]
    public async Task MemoryOfTheDevice_ProcessWhoseHeapIsLimited_IsTheMachines()
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            ArgumentList = { "exec", typeof(MemoryInfoTests).Assembly.Location, "-explicit", "only", "-method", $"{typeof(MemoryInfoTests).FullName}.{nameof(MemoryOfTheDevice_AnyHeap_IsTheMachines)}" },
            Environment = { ["DOTNET_GCHeapHardLimit"] = "0x10000000" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        try
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(3), TestContext.Current.CancellationToken);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }

        string report = await output + await errors;
        Assert.True(process.ExitCode == 0 && report.Contains("Total: 1", StringComparison.Ordinal), report);
    }

    [Fact(Explicit = true)]
    public void MemoryOfTheDevice_AnyHeap_IsTheMachines()
    {
        using CpuDevice device = CpuDevice.Create(new CpuDeviceOptions { Threads = 1 });
        MemoryInfo expected = MemoryInfo.Read();
        Assert.SkipUnless(expected.Available > Gigabyte, "a machine without a gigabyte to spare");
        Assert.Equal(expected.Total, device.Info.MemoryBytes);
        Assert.InRange(device.FreeMemoryBytes, expected.Available / 2, expected.Total);
    }

    public void Dispose() => _root.Dispose();

    private void AssertMemory(long total, long available) => Assert.Equal(new MemoryInfo(total, available), MemoryInfo.Read(_root.Path));

    private void Unified(string mountRoot, string own)
    {
        Write("proc/self/mountinfo", $"30 23 0:26 {mountRoot} /sys/fs/cgroup ro,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate");
        Write("proc/self/cgroup", own);
    }

    private void Group(string folder, string max, long current, long inactive = 0, string? high = null)
    {
        Write($"{folder}/memory.max", max);
        Write($"{folder}/memory.current", $"{current}");
        Write($"{folder}/memory.stat", $"anon 1\nfile 2\ninactive_file {inactive}\nactive_file 3");
        if (high is not null)
        {
            Write($"{folder}/memory.high", high);
        }
    }

    private void Write(string path, string content)
    {
        string full = _root.Combine(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content + "\n");
    }
}
