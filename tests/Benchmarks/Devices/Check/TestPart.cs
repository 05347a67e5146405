using System.Diagnostics;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>
/// The tests of one program. Where one of them loses the device, hangs or ends the process, those that it took along or kept from running get
/// a process of their own: time on a GPU is dear, and the first defect must not hide the others.
/// </summary>
/// <remarks>Rounds end: each settles the method that spoilt it at least.</remarks>
internal sealed class TestPart(ChildProgram child, string program)
{
    // The longest test is expected to take a quarter of it where kernels are interpreted.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(5);

    private readonly HashSet<string> _settled = [];

    public TestLog Log { get; } = new();

    /// <summary>Why not all tests have run; null: they have.</summary>
    public string? Incomplete { get; private set; }

    /// <summary>Processes that it took.</summary>
    public int Rounds { get; private set; }

    public async Task RunAsync(string dotnet, TimeSpan limit, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            Rounds++;
            Log.BeginRound();
            string[] arguments = [program, "-trait", $"{GpuUnderTest.Trait}={GpuUnderTest.Cuda}", "-reporter", "json", "-noColor", "-noLogo", .. _settled.SelectMany(method => (string[])["-method-", method])];
            ProgramEnd end = await child.RunAsync(dotnet, arguments, limit - Stopwatch.GetElapsedTime(start), Silence, (line, _) => Log.Add(line), stop);
            bool survived = end.Stopped is null && Log.Finished;
            if (!survived)
            {
                Log.FailRunning(end.Stopped is null ? $"the process ended during this test, with exit code {end.ExitCode}" : $"stopped: {end.Stopped}");
            }

            if (end.Stopped is not null && !end.Silent)
            {
                Incomplete = $"stopped, because {end.Stopped}";
                return;
            }

            int before = _settled.Count;
            if (!Settle(survived))
            {
                return;
            }

            Incomplete = _settled.Count == before ? $"the program ended with exit code {end.ExitCode} before its tests began"
                : limit - Stopwatch.GetElapsedTime(start) < LeastTime ? "no time was left for the tests that a failure had taken along"
                : null;
            if (Incomplete is not null)
            {
                return;
            }
        }
    }

    /// <summary>Remembers which methods need not run again. True: others have to.</summary>
    private bool Settle(bool survived)
    {
        string? culprit = Log.Latest.Find(result => result.DeviceFailed)?.Method;
        HashSet<string> spoilt = [.. Log.Latest.Where(result => result.DeviceFailed && result.Method != culprit).Select(result => result.Method)];
        _settled.UnionWith(Log.Latest.Select(result => result.Method).Where(method => !spoilt.Contains(method)));
        return !survived || spoilt.Count > 0;
    }
}
