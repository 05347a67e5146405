using System.Text.RegularExpressions;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>The silo program with the bundled model, as an operator starts it. Killed when disposed, however the test ends.</summary>
internal sealed partial class SiloProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(90);

    private readonly ProgramRun _run;

    private SiloProcess(ProgramRun run, string device, Uri status)
    {
        (_run, Device) = (run, device);
        Http = new HttpClient { BaseAddress = status, Timeout = TimeSpan.FromSeconds(30) };
    }

    /// <summary>Id of its device in the grid.</summary>
    public string Device { get; }

    /// <summary>Its own status pages.</summary>
    public HttpClient Http { get; }

    public string Output => _run.Output + _run.Error;

    public static async Task<SiloProcess> StartAsync(string cluster, string role, params string[] arguments)
    {
        var run = new ProgramRun("dotnet",
        [
            Path.Combine(AppContext.BaseDirectory, "ServingGrid.Silo.dll"),
            "--model", ModelFiles.Bundled, "--device", "cpu", "--threads", "1", "--kv-memory-mib", "64", "--cluster", cluster, "--role", role, .. arguments,
        ]);
        try
        {
            Match ready = await run.WaitForOutputAsync(ReadyLine(), StartPatience);
            return new SiloProcess(run, ready.Groups[1].Value, new Uri(ready.Groups[2].Value));
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    public void Signal(int signal) => _run.Signal(signal);

    public Task<int> WaitForExitAsync(TimeSpan patience) => _run.WaitForExitAsync(patience);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _run.DisposeAsync();
    }

    [GeneratedRegex(@"ready: (\S+) serves .* status on (http://127\.0\.0\.1:\d+)")]
    private static partial Regex ReadyLine();
}
