using System.Diagnostics;
using System.Text.RegularExpressions;

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>The gateway program, as a user starts it, on a free port. Killed when disposed, however the test ends.</summary>
internal sealed partial class GatewayProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);

    private readonly ProgramRun _run;

    private GatewayProcess(ProgramRun run, Uri address)
    {
        _run = run;
        Address = address;
        Http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(2) };
    }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public Process Process => _run.Process;

    /// <summary>What it has printed so far, both streams.</summary>
    public string Output => _run.Output + _run.Error;

    /// <param name="arguments">Options besides <c>--urls</c>.</param>
    public static Task<GatewayProcess> StartAsync(params string[] arguments) => StartInAsync([], arguments);

    /// <summary>Starts it under a launcher.</summary>
    /// <param name="launcher">What runs it in an environment of its own ("env", "NAME=VALUE"), or nothing.</param>
    /// <param name="arguments">Options besides <c>--urls</c>.</param>
    public static async Task<GatewayProcess> StartInAsync(string[] launcher, params string[] arguments)
    {
        ProgramRun run = Launch(launcher, ["--urls", "http://127.0.0.1:0", .. arguments]);
        try
        {
            Match match = await run.WaitForOutputAsync(ListeningLine(), StartPatience);
            return new GatewayProcess(run, new Uri(match.Groups[1].Value));
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the program with exactly these arguments and does not wait for anything.</summary>
    public static ProgramRun Launch(params string[] arguments) => Launch([], arguments);

    private static ProgramRun Launch(string[] launcher, string[] arguments)
    {
        string[] line = [.. launcher, "dotnet", Path.Combine(AppContext.BaseDirectory, "ServingGrid.Gateway.dll"), .. arguments];
        return new ProgramRun(line[0], line[1..]);
    }

    public void Signal(int signal) => _run.Signal(signal);

    public Task<int> WaitForExitAsync(TimeSpan patience) => _run.WaitForExitAsync(patience);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _run.DisposeAsync();
    }

    [GeneratedRegex(@"(http://127\.0\.0\.1:\d+)")]
    private static partial Regex ListeningLine();
}
