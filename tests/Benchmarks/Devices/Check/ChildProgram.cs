using System.Diagnostics;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>How a program ended.</summary>
/// <param name="ExitCode">Null: it was stopped.</param>
/// <param name="Stopped">Why it was stopped, in words; null: it was not.</param>
/// <param name="Silent">It was stopped because it showed no sign of life.</param>
/// <param name="Elapsed">From its start to its end.</param>
internal sealed record ProgramEnd(int? ExitCode, string? Stopped, bool Silent, TimeSpan Elapsed);

/// <summary>
/// Runs programs that may hang: they end in time, with all that they started, and what they have printed by then is kept.
/// </summary>
internal sealed class ChildProgram(IReadOnlyDictionary<string, string?> environment)
{
    // How long a killed process may take to go: one that waits for a driver may never do.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);

    /// <param name="program">A program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="limit">Longest time that it may take.</param>
    /// <param name="silence">Longest time in which it may print nothing.</param>
    /// <param name="line">Takes each line as it comes, with true for those of its error stream; one at a time.</param>
    /// <param name="stop">Ends it at once.</param>
    public async Task<ProgramEnd> RunAsync(
        string program, IEnumerable<string> arguments, TimeSpan limit, TimeSpan silence, Action<string, bool> line, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        long lastLine = start;
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            },
        };
        foreach ((string name, string? value) in environment)
        {
            process.StartInfo.Environment[name] = value;
        }

        var turn = new Lock();
        bool over = false;
        process.OutputDataReceived += (_, text) => Take(text.Data, isError: false);
        process.ErrorDataReceived += (_, text) => Take(text.Data, isError: true);
        process.Start();
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();

        string? stopped = null;
        bool silent = false;
        using var ended = new CancellationTokenSource();
        Task exit = process.WaitForExitAsync(ended.Token);
        while (stopped is null && await Task.WhenAny(exit, Task.Delay(Tick, CancellationToken.None)) != exit)
        {
            silent = Stopwatch.GetElapsedTime(Interlocked.Read(ref lastLine)) > silence;
            stopped = stop.IsCancellationRequested ? "the check itself was stopped"
                : Stopwatch.GetElapsedTime(start) > limit ? FormattableString.Invariant($"it had not ended after {limit.TotalSeconds:F0} s")
                : silent ? FormattableString.Invariant($"it had shown no sign of life for {silence.TotalSeconds:F0} s")
                : null;
        }

        // A signal for the whole group ends the program before it is stopped.
        stopped ??= stop.IsCancellationRequested ? "the check itself was stopped" : null;
        if (stopped is not null)
        {
            process.Kill(entireProcessTree: true);
            await Task.WhenAny(exit, Task.Delay(Grace, CancellationToken.None));
        }

        bool gone = exit.IsCompletedSuccessfully;
        ended.Cancel();
        lock (turn)
        {
            over = true;
        }

        int? code = stopped is null && gone ? process.ExitCode : null;
        return new ProgramEnd(code, stopped, stopped is not null && silent, Stopwatch.GetElapsedTime(start));

        void Take(string? text, bool isError)
        {
            lock (turn)
            {
                if (text is not null && !over)
                {
                    Interlocked.Exchange(ref lastLine, Stopwatch.GetTimestamp());
                    line(text, isError);
                }
            }
        }
    }
}
