using System.Diagnostics;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>
/// The tests of one program. Where one of them loses the device, hangs or ends the process, those that it took along or kept from running
/// get
/// a process of their own: time on a GPU is dear, and the first defect must not hide the others.
/// </summary>
/// <remarks>Rounds end: each settles the method that spoilt it at least.</remarks>
internal sealed class TestPart(ChildProgram child, string program, TimeSpan? silence = null)
{
    // The longest test is expected to take a quarter of it where kernels are interpreted.
    private static readonly TimeSpan DefaultSilence = TimeSpan.FromSeconds(90);

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
            IEnumerable<string> filter = _settled.SelectMany(method => (string[])["-method-", method]);
            string[] arguments =
                [program, "-trait", $"{GpuUnderTest.Trait}={GpuUnderTest.Cuda}", "-reporter", "json", "-noColor", "-noLogo", .. filter];
            TimeSpan left = limit - Stopwatch.GetElapsedTime(start);
            ProgramEnd end = await child.RunAsync(dotnet, arguments, left, silence ?? DefaultSilence, (line, _) => Log.Add(line), stop);
            bool survived = end.Stopped is null && Log.Finished;
            if (!survived)
            {
                Log.FailRunning(end.Stopped is { } why
                    ? $"stopped: {why}"
                    : $"the process ended during this test, with exit code {end.ExitCode}");
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
        IEnumerable<TestResult> others = Log.Latest.Where(result => result.DeviceFailed && result.Method != culprit);
        HashSet<string> spoilt = [.. others.Select(result => result.Method)];
        _settled.UnionWith(Log.Latest.Select(result => result.Method).Where(method => !spoilt.Contains(method)));
        return !survived || spoilt.Count > 0;
    }
}
