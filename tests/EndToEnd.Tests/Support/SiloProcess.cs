using System.Globalization;
using System.Text.RegularExpressions;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>A silo program of its own, as an operator starts it. Dead when disposed, frozen or not.</summary>
internal sealed partial class SiloProcess : IAsyncDisposable
{
    private const int KillSignal = 9;
    private const int TerminateSignal = 15;
    private const int ContinueSignal = 18;
    private const int StopSignal = 19;
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);

    private readonly ProgramRun _run;

    private SiloProcess(ProgramRun run, string role, string device, Uri status)
    {
        _run = run;
        Role = role;
        Device = device;
        Status = new HttpClient { BaseAddress = status, Timeout = TimeSpan.FromSeconds(10) };
    }

    /// <summary>"prefill", "decode" or "both".</summary>
    public string Role { get; }

    /// <summary>Its device's id.</summary>
    public string Device { get; }

    /// <summary>Client of its health and metrics.</summary>
    public HttpClient Status { get; }

    /// <summary>The process's id.</summary>
    public int Id => _run.Process.Id;

    public bool HasExited => _run.Process.HasExited;

    /// <summary>What it has printed so far, both streams.</summary>
    public string Output => _run.Output + _run.Error;

    /// <summary>Starts a silo and waits until it takes requests.</summary>
    /// <param name="launcher">What runs it in an environment of its own ("ip netns exec NAME"), or nothing.</param>
    /// <param name="role">Its role.</param>
    /// <param name="arguments">Everything besides the role.</param>
    public static async Task<SiloProcess> StartAsync(string[] launcher, string role, params string[] arguments)
    {
        string[] line = [.. launcher, "dotnet", Path.Combine(AppContext.BaseDirectory, "ServingGrid.Silo.dll"), "--role", role, .. arguments];
        var run = new ProgramRun(line[0], line[1..]);
        try
        {
            Match ready = await run.WaitForOutputAsync(ReadyLine(), StartPatience);
            return new SiloProcess(run, role, ready.Groups["device"].Value, new Uri(ready.Groups["status"].Value));
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a silo of one thread that serves the bundled model.</summary>
    public static Task<SiloProcess> StartBundledAsync(string cluster, string role, params string[] arguments) =>
        StartAsync([], role, ["--model", ModelFiles.Bundled, "--device", "cpu", "--threads", "1", "--kv-memory-mib", "64", "--cluster", cluster, .. arguments]);

    /// <summary>Waits until it has logged something.</summary>
    public Task WaitForLogAsync(Regex pattern) => _run.WaitForOutputAsync(pattern, StartPatience, errors: true);

    /// <summary>SIGKILL: no goodbye of any kind.</summary>
    public void Kill() => _run.Signal(KillSignal);

    /// <summary>SIGTERM: it drains.</summary>
    public void Terminate() => _run.Signal(TerminateSignal);

    /// <summary>SIGSTOP: its connections stay open and nothing answers.</summary>
    public void Freeze() => _run.Signal(StopSignal);

    public void Signal(int signal) => _run.Signal(signal);

    /// <summary>SIGCONT.</summary>
    public void Resume() => _run.Signal(ContinueSignal);

    public Task<int> WaitForExitAsync(TimeSpan patience) => _run.WaitForExitAsync(patience);

    /// <summary>Sum of a metric over the samples whose labels contain <paramref name="label"/>; 0 without any.</summary>
    public async Task<double> ReadMetricAsync(string name, string label = "")
    {
        string text = await Status.GetStringAsync("/metrics");
        return text.Split('\n')
            .Where(line => (line.StartsWith(name + "{", StringComparison.Ordinal) || line.StartsWith(name + " ", StringComparison.Ordinal)) && line.Contains(label))
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        Status.Dispose();
        await _run.DisposeAsync();
    }

    [GeneratedRegex(@"ready: (?<device>\S+) serves .* status on (?<status>http://[^\s,]+)")]
    private static partial Regex ReadyLine();
}
