using System.Globalization;
using System.Text.RegularExpressions;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.CudaCheck;

/// <summary>
/// Checking CUDA on a machine that has nothing but a GPU and its driver: tried with ILGPU's CPU accelerator in the GPU's place.
/// </summary>
public sealed partial class CudaCheckTests(PackedCheck packed, ITestOutputHelper output) : IClassFixture<PackedCheck>
{
    private const long Room = 60L << 20;

    [Fact]
    public async Task Pack_WithTheWorkingTree_LeavesRoom()
    {
        Assert.SkipWhen(PackedCheck.Unsuitable is not null, PackedCheck.Unsuitable ?? "");
        (int code, string files) = await PackedCheck.RunAsync("git", "-C", RepositoryRoot.Path, "ls-files", "-co", "--exclude-standard");
        Assert.SkipWhen(code != 0, "not a clone of the repository");
        IEnumerable<string> paths = files.Split('\n').Select(file => RepositoryRoot.Combine(file));
        long tree = paths.Where(File.Exists).Sum(file => new FileInfo(file).Length);
        long archive = new FileInfo(packed.Archive).Length;
        output.WriteLine(packed.Said);
        Assert.InRange(archive + tree, 10 << 20, Room);
    }

    [Fact]
    public async Task Pack_LessRoomThanTheTreeTakes_SaysSoInOneSentence()
    {
        Assert.SkipWhen(PackedCheck.Unsuitable is not null, PackedCheck.Unsuitable ?? "");
        using var folder = new TemporaryFolder();
        (int code, string said) = await PackedCheck.RunAsync(PackedCheck.Script, "pack", "--no-build", "--room", "5", "--out", folder.Path);
        Assert.Equal(1, code);
        Assert.Matches(@"^The archive .* and the working tree .* together take more than 5 MiB: leave something out\.\n$", said);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task Run_BareMachineOneBenchmark_PassesAndWritesTheTable()
    {
        Assert.SkipWhen(PackedCheck.Unsuitable is not null, PackedCheck.Unsuitable ?? "");
        (int code, string said, string results) = await packed.RunBareAsync("--device", "ilgpu-cpu", "--only", "device", "--minutes", "5");
        Assert.True(code == 0, said + results);
        Assert.Contains("**Result: everything passed, in ", results, StringComparison.Ordinal);
        Assert.Matches(@"\| packed \| [0-9a-f]{12}.*, \.NET 10\.", results);
        Assert.Matches(@"\nattention +1 +[0-9.]+ ", results);
        Assert.Matches(@"\nlaunches: [0-9.]+ µs to submit one", results);
    }

    [Fact]
    public async Task Run_BareMachineTooLittleTime_EndsAndKeepsWhatThereIs()
    {
        Assert.SkipWhen(PackedCheck.Unsuitable is not null, PackedCheck.Unsuitable ?? "");
        (int code, string said, string results) =
            await packed.RunBareAsync("--device", "ilgpu-cpu", "--only", "kernels", "--minutes", "0.3");
        Assert.True(code == 1, said + results);
        Assert.Contains("**Result: NOT everything passed, in ", results, StringComparison.Ordinal);
        Assert.Contains("stopped, because ", results, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_NoSuchDevice_SaysWhatThereIs()
    {
        Assert.SkipWhen(PackedCheck.Unsuitable is not null, PackedCheck.Unsuitable ?? "");
        (int code, string said, string results) = await packed.RunBareAsync("--device", "cuda:99");
        Assert.True(code == 1, said + results);
        Assert.Contains("**Result: NOT everything passed, in ", results, StringComparison.Ordinal);
        Assert.Equal(7, NotRun().Count(results));
        Assert.Matches("device cuda:99 cannot be used .* usable here: auto, .*ilgpu-cpu", results);
    }

    [Theory]
    [InlineData("cuda-check takes pack or run, not 'walk'; see ", "walk")]
    [InlineData("run has no option --fast; see ", "run", "--fast")]
    [InlineData("--minutes takes a number, not 'soon'; see ", "run", "--minutes", "soon")]
    [InlineData("--room takes a number of MiB, not 'much'; see ", "pack", "--room", "much")]
    public async Task Script_WrongArguments_SaysSoInOneSentence(string expected, params string[] arguments)
    {
        Assert.SkipWhen(PackedCheck.Unsuitable is not null, PackedCheck.Unsuitable ?? "");
        (int code, string said) = await PackedCheck.RunAsync(PackedCheck.Script, arguments);
        Assert.Equal((2, $"{expected}{PackedCheck.Script} --help\n"), (code, said));
    }

    /// <summary>All of it: minutes, because kernels are interpreted.</summary>
    [Fact]
    [Trait("Category", "Nightly")]
    public async Task Run_BareMachineEverything_Passes()
    {
        Nightly.SkipUnlessEnabled();
        Assert.SkipWhen(PackedCheck.Unsuitable is not null, PackedCheck.Unsuitable ?? "");
        (int code, string said, string results) = await packed.RunBareAsync("--device", "ilgpu-cpu", "--minutes", "20");
        output.WriteLine(results);
        Assert.True(code == 0, said + results);
        int[] passed = [.. Passed().Matches(results).Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
        Assert.True(passed is [>= 91, >= 18], string.Join(", ", passed));
        Assert.Matches(@"\ntiny Q4_K +decode 2 × 16 +[0-9.]+ ", results);
    }

    [GeneratedRegex(@"\*\*not run, because the device cannot be used\*\*")]
    private static partial Regex NotRun();

    [GeneratedRegex(@"\| ([0-9]+) passed, 0 failed, 0 skipped \|")]
    private static partial Regex Passed();
}
