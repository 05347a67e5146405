using System.Runtime.InteropServices;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.CudaCheck;

/// <summary>
/// The archive that <c>cuda-check pack</c> makes of what has been built, in a folder of its own, and a bare machine to try it on.
/// </summary>
public sealed class PackedCheck : IAsyncLifetime, IDisposable
{
#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif

    // All that the script may need there, beside what the archive has in it: a bare Debian or Ubuntu has these.
    private static readonly string[] Tools =
        ["awk", "bash", "cat", "dirname", "env", "grep", "gzip", "head", "mkdir", "mktemp", "rm", "sed", "tail", "tar", "tee", "timeout"];

    private readonly TemporaryFolder _folder = new();

    public static string Script { get; } = RepositoryRoot.Combine("tests", "Benchmarks", "Devices", "cuda-check");

    /// <summary>Why the check cannot be tried here; null: it can.</summary>
    public static string? Unsuitable =>
        RuntimeInformation.RuntimeIdentifier != "linux-x64" ? "cuda-check packs .NET for Linux on x64, from such a machine"
        : !Path.Exists(RepositoryRoot.Combine(".git")) ? "not a clone of the repository: cuda-check measures it"
        : null;

    public string Archive => Path.Combine(Taken, "cuda-check.tar.gz");

    public string Results => Path.Combine(_folder.Path, "results", "cuda-check.md");

    /// <summary>What pack has printed.</summary>
    public string Said { get; private set; } = "";

    private string Taken => _folder.Combine("taken");

    public async ValueTask InitializeAsync()
    {
        if (Unsuitable is null)
        {
            (int code, Said) = await RunAsync(Script, "pack", "--no-build", "--configuration", Configuration, "--out", Taken);
            Assert.True(code == 0, Said);
        }
    }

    /// <summary>Runs the script that was taken along: without environment, network or .NET, and with an empty home folder.</summary>
    /// <returns>Exit code, what was printed, and the file of results.</returns>
    public async Task<(int Code, string Output, string Results)> RunBareAsync(params string[] arguments)
    {
        string tools = _folder.Combine("tools");
        if (!Directory.Exists(tools))
        {
            Directory.CreateDirectory(tools);
            foreach (string tool in Tools)
            {
                File.CreateSymbolicLink(Path.Combine(tools, tool), Which(tool));
            }
        }

        string home = Directory.CreateDirectory(_folder.Combine("home")).FullName;
        string[] alone = await CanLeaveTheNetworkAsync() ? [Which("unshare"), "--map-root-user", "--net"] : [];
        string[] program = [Path.Combine(Taken, "cuda-check"), "run", "--out", Path.GetDirectoryName(Results)!, .. arguments];
        (int code, string output) =
            await RunAsync("env", ["-i", $"PATH={tools}", $"HOME={home}", $"TMPDIR={_folder.Path}", .. alone, .. program]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(home));
        Assert.Empty(Directory.EnumerateDirectories(_folder.Path, "cuda-check.*"));
        return (code, output, File.Exists(Results) ? await File.ReadAllTextAsync(Results) : "");
    }

    public static async Task<(int Code, string Output)> RunAsync(string program, params string[] arguments)
    {
        await using var run = new ProgramRun(program, arguments);
        return (await run.WaitForExitAsync(TimeSpan.FromMinutes(25)), run.Output + run.Error);
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    public void Dispose() => _folder.Dispose();

    private static async Task<bool> CanLeaveTheNetworkAsync() =>
        (await RunAsync("bash", "-c", "unshare --map-root-user --net true 2>&1")).Code == 0;

    private static string Which(string tool) =>
        Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, tool)).First(File.Exists);
}
