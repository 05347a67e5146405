using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>A program that a test runs. Owns the process: it is dead after disposal.</summary>
internal sealed partial class ProgramRun : IAsyncDisposable
{
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly Task _reading;

    public ProgramRun(string program, IEnumerable<string> arguments, string? folder = null)
    {
        // A shell's background jobs ignore SIGINT, and so would all that they start: signals are what some tests are about.
        (string file, IEnumerable<string> rest) = OperatingSystem.IsLinux() ? ("env", ["--default-signal=INT", program, .. arguments]) : (program, arguments);
        var start = new ProcessStartInfo(file, rest)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? Path.GetTempPath(),
        };
        Process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        _reading = Task.WhenAll(ReadAsync(Process.StandardOutput, _output), ReadAsync(Process.StandardError, _error));
    }

    public Process Process { get; }

    public string Output => Copy(_output);

    public string Error => Copy(_error);

    /// <summary>Waits for the end and everything printed; the exit code.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan patience)
    {
        using var timeout = new CancellationTokenSource(patience);
        try
        {
            await Process.WaitForExitAsync(timeout.Token);
            await _reading.WaitAsync(timeout.Token);
            return Process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"The program did not end within {patience}. It printed:\n{Output}{Error}");
        }
    }

    /// <summary>Waits until the program has printed something, on its output or on its error stream.</summary>
    public async Task<Match> WaitForOutputAsync(Regex pattern, TimeSpan patience, bool errors = false)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            bool ended = Process.HasExited;
            Match match = pattern.Match(errors ? Error : Output);
            if (match.Success)
            {
                return match;
            }

            if (ended || Stopwatch.GetElapsedTime(start) > patience)
            {
                throw new InvalidOperationException($"The program {(ended ? "ended" : "did not say what was expected")}. It printed:\n{Output}{Error}");
            }

            await Task.Delay(20);
        }
    }

    /// <summary>Asks the program to stop as Ctrl-C (2) or an init system (15) does.</summary>
    public void Signal(int signal) => Assert.Equal(0, Kill(Process.Id, signal));

    public async ValueTask DisposeAsync()
    {
        if (!Process.HasExited)
        {
            Process.Kill(entireProcessTree: true);
        }

        await Process.WaitForExitAsync();
        Process.Dispose();
    }

    private static async Task ReadAsync(StreamReader reader, StringBuilder text)
    {
        var buffer = new char[4096];
        int count;
        while ((count = await reader.ReadAsync(buffer)) > 0)
        {
            lock (text)
            {
                text.Append(buffer, 0, count);
            }
        }
    }

    private static string Copy(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
