using System.Text.RegularExpressions;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;
using ServingGrid.Testing.Services;

namespace ServingGrid.EndToEnd.Tests.Deploy;

/// <summary>What the installation puts on a machine, looked at in a folder.</summary>
public sealed class InstallTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private static readonly string[] Programs = ["Silo", "Gateway"];

    private readonly TemporaryFolder _folder = new();

    private string Root => _folder.Combine("root");

    private string Units => Path.Combine(Root, "etc", "systemd", "system");

    private string Settings => Path.Combine(Root, "etc", "servinggrid", "grid.env");

    [Fact]
    public async Task Install_Twice_ReplacesProgramsAndKeepsSettings()
    {
        await InstallAsync("first");
        const UnixFileMode rootAlone = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(rootAlone, OperatingSystem.IsWindows() ? rootAlone : File.GetUnixFileMode(Settings));
        await File.WriteAllTextAsync(Settings, "SERVINGGRID_CLUSTER=redis:127.0.0.1:6379\n");

        await InstallAsync("second");
        Assert.Equal("SERVINGGRID_CLUSTER=redis:127.0.0.1:6379\n", await File.ReadAllTextAsync(Settings));
        Assert.All(Programs, program => Assert.Contains("second", File.ReadAllText(Installed(program))));
    }

    [Fact]
    public async Task Install_NoPrograms_OneSentenceAndNothingWritten()
    {
        (int code, string output) = await RunAsync("deploy/install", "--root", Root, "--programs", _folder.Combine("absent"));
        Assert.Equal(1, code);
        Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.False(Directory.Exists(Root));
    }

    [Theory]
    [InlineData("servinggrid-silo@prefill.service")]
    [InlineData("servinggrid-silo@decode.service")]
    [InlineData("servinggrid-gateway.service")]
    public async Task Units_Installed_SystemdFindsNoFault(string unit)
    {
        const string system = "/usr/lib/systemd/system";
        Assert.SkipWhen(ServerProcess.Find("systemd-analyze") is null || !Directory.Exists(system), "systemd is not installed (Debian package systemd)");
        await InstallAsync("any");

        // Targets and slices that every unit refers to.
        string targets = Directory.CreateDirectory(Root + system).FullName;
        foreach (string file in Directory.EnumerateFiles(system).Where(file => Path.GetExtension(file) is ".target" or ".slice"))
        {
            File.Copy(file, Path.Combine(targets, Path.GetFileName(file)));
        }

        Assert.Equal((0, ""), await RunAsync("systemd-analyze", "verify", $"--root={Root}", "--man=no", unit));
    }

    [Theory]
    [InlineData("Silo", "servinggrid-silo@.service")]
    [InlineData("Gateway", "servinggrid-gateway.service")]
    public async Task Units_Command_HasOnlyOptionsThatTheProgramKnowsAndVariablesThatAreSet(string program, string unit)
    {
        await InstallAsync("any");
        string command = Assert.Single(await File.ReadAllLinesAsync(Path.Combine(Units, unit)), line => line.StartsWith("ExecStart=", StringComparison.Ordinal));
        Assert.StartsWith($"ExecStart=/opt/servinggrid/{program.ToLowerInvariant()}/ServingGrid.{program} ", command);
        (int code, string help) = await RunAsync("dotnet", Path.Combine(AppContext.BaseDirectory, $"ServingGrid.{program}.dll"), "--help");
        Assert.Equal(0, code);
        string settings = await File.ReadAllTextAsync(Settings);
        Assert.All(Regex.Matches(command, @"--[a-z-]+").Select(option => option.Value), option => Assert.Contains($"{option} ", help));
        Assert.All(Regex.Matches(command, @"\$\{?(\w+)").Select(variable => variable.Groups[1].Value), variable => Assert.Matches($"(?m)^{variable}=", settings));
    }

    [Fact]
    public async Task SiloUnit_Stop_LeavesTimeToDrain()
    {
        await InstallAsync("any");
        string unit = await File.ReadAllTextAsync(Path.Combine(Units, "servinggrid-silo@.service"));
        int drain = int.Parse(Regex.Match(unit, @"--drain-seconds (\d+)").Groups[1].Value);
        int stop = int.Parse(Regex.Match(unit, @"TimeoutStopSec=(\d+)").Groups[1].Value);

        // The host allows 10 s beside draining.
        Assert.True(stop > drain + 10, $"{stop} s for {drain} s");
        Assert.Contains("KillSignal=SIGTERM", unit);
    }

    public void Dispose() => _folder.Dispose();

    private string Installed(string program) => Path.Combine(Root, "opt", "servinggrid", program.ToLowerInvariant(), $"ServingGrid.{program}");

    /// <summary>Installs programs that say nothing but <paramref name="version"/>.</summary>
    private async Task InstallAsync(string version)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is Linux's.");
        string programs = _folder.Combine(version);
        foreach (string program in Programs)
        {
            string path = Path.Combine(Directory.CreateDirectory(Path.Combine(programs, program.ToLowerInvariant())).FullName, $"ServingGrid.{program}");
            await File.WriteAllTextAsync(path, $"#!/bin/sh\necho {version}\n");
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }

        (int code, string output) = await RunAsync("deploy/install", "--root", Root, "--programs", programs);
        Assert.True(code == 0, output);
    }

    private static async Task<(int Code, string Output)> RunAsync(string program, params string[] arguments)
    {
        await using var run = new ProgramRun(program.Contains('/') ? RepositoryRoot.Combine(program.Split('/')) : program, arguments);
        return (await run.WaitForExitAsync(Patience), run.Output + run.Error);
    }
}
