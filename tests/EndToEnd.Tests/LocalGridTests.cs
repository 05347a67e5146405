using System.Text.RegularExpressions;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>The script that operators try a grid with.</summary>
public sealed class LocalGridTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder _state = new();

    [Fact]
    public async Task Start_PrefillAndDecode_ServesUntilStopped()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The script knows processes by /proc.");
        try
        {
            (int code, string output) = await RunAsync("start", "--prefill", "1", "--decode", "1", "--url", "http://127.0.0.1:0", "--kv-memory-mib", "7", "--kv-type", "q8");
            Assert.True(code == 0, output);
            // 281 fit into the memory; the engine keeps one to try itself with.
            Assert.All((string[])["prefill", "decode"], role => Assert.Contains(" 280 KV blocks", File.ReadAllText(Path.Combine(_state.Path, $"silo-{role}-1.log"))));
            string url = Regex.Match(output, @"http://127\.0\.0\.1:\d+").Value;
            using HttpClient http = new();
            string grid = await http.GetStringAsync(url + "/grid");
            Assert.Contains("\"role\":\"prefill\"", grid);
            Assert.Contains("\"role\":\"decode\"", grid);
            Assert.Equal((0, 3), await StatusAsync());
            Dictionary<string, int> processes = Processes();
            AssertPlaced(processes);
            AssertApart([.. processes.Values]);
            (int again, string refusal) = await RunAsync("start");
            Assert.Equal(1, again);
            Assert.Contains("A grid runs already", refusal);
        }
        finally
        {
            Assert.Equal(0, (await RunAsync("stop")).Code);
        }

        Assert.Equal(1, (await RunAsync("status")).Code);
    }

    public void Dispose() => _state.Dispose();

    [Theory]
    [InlineData("--cores must be own or shared, not 'some'", "--cores", "some")]
    [InlineData("--threads must be a number", "--threads", "many")]
    [InlineData("--kv-type must be f16, f32 or q8, not 'q4'", "--kv-type", "q4")]
    [InlineData("--kv-memory-mib must be a number of MiB, not '0'", "--kv-memory-mib", "0")]
    public async Task Start_WrongOption_OneSentence(string sentence, params string[] options)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The script needs bash 4 and /proc.");
        (int code, string output) = await RunAsync(["start", .. options]);
        Assert.Equal(1, code);
        Assert.Contains(sentence, output);
    }

    private Dictionary<string, int> Processes() =>
        File.ReadLines(Path.Combine(_state.Path, "processes")).Select(line => line.Split(' ')).ToDictionary(words => words[0], words => int.Parse(words[1]));

    // No Ctrl-C and no closed terminal ends them; in one session, or Linux would weigh the priorities of their threads for each process alone.
    private static void AssertApart(int[] processes)
    {
        int[][] numbers = [.. processes.Select(process => File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1].Split(' ')[2..4].Select(int.Parse).ToArray())];
        Assert.Equal(processes, numbers.Select(group => group[0]));
        Assert.Single(numbers.Select(session => session[1]).Distinct());
        Assert.All(processes, process => Assert.Matches(@"SigIgn:\s*[0-9a-f]*[13579bdf]\n", File.ReadAllText($"/proc/{process}/status")));
    }

    // Where there are two cores: streams have the last one, and everything else shares the others.
    private static void AssertPlaced(Dictionary<string, int> processes)
    {
        int[] cores = LinuxThread.OwnCores();
        if (cores.Length < 2)
        {
            return;
        }

        Assert.All(LinuxThread.Of(processes["silo-decode-1"]), thread => Assert.Equal(thread.Computes ? [cores[^1]] : cores[..^1], thread.Cores));
        Assert.All(LinuxThread.Of(processes["silo-prefill-1"]), thread => Assert.Equal(thread.Computes, thread.IsIdlePolicy));
        Assert.All(LinuxThread.Of(processes["silo-prefill-1"]).Concat(LinuxThread.Of(processes["gateway"])), thread => Assert.DoesNotContain(cores[^1], thread.Cores));
    }

    private async Task<(int Code, int Processes)> StatusAsync()
    {
        (int code, string output) = await RunAsync("status");
        return (code, output.Split('\n').Count(line => line.Contains("(process ")));
    }

    private async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        await using var run = new ProgramRun("env",
        [
            $"LOCAL_GRID_STATE={_state.Path}", $"LOCAL_GRID_PROGRAMS={AppContext.BaseDirectory}", RepositoryRoot.Combine("deploy", "local-grid"), .. arguments,
        ]);
        return (await run.WaitForExitAsync(Patience), run.Output + run.Error);
    }
}
