using System.Diagnostics;
using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Startup;

/// <summary>A program that is measured from outside. Dead when disposed.</summary>
internal sealed class MeasuredProcess : IDisposable
{
    private const int KeptLines = 20;

    private readonly Queue<string> _lines = new();
    private readonly Process _process;
    private readonly long _started;

    private MeasuredProcess(string program, IEnumerable<string> arguments)
    {
        _process = new Process { StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true } };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _started = Stopwatch.GetTimestamp();
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public bool HasEnded => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    public double MillisecondsSinceStart => Stopwatch.GetElapsedTime(_started).TotalMilliseconds;

    /// <summary>What it printed last, both streams.</summary>
    public string LastOutput
    {
        get
        {
            lock (_lines)
            {
                return string.Join(Environment.NewLine, _lines);
            }
        }
    }

    /// <summary>Starts a program.</summary>
    /// <param name="command">Program and arguments, separated by spaces; quotes (") hold together what has spaces. No shell.</param>
    /// <exception cref="UsageException">It cannot be started.</exception>
    public static MeasuredProcess Start(string command)
    {
        string[] words = [.. Split(command)];
        try
        {
            return words is [var program, ..] ? new MeasuredProcess(program, words[1..]) : throw new UsageException("A command is empty.");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UsageException($"'{words[0]}' cannot be started: {e.Message}.");
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    // Quoted parts are those with odd numbers.
    private static IEnumerable<string> Split(string command) =>
        command.Split('"').SelectMany((part, i) => i % 2 == 1 ? [part] : part.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private void Keep(string? line)
    {
        lock (_lines)
        {
            if (line is not null)
            {
                _lines.Enqueue(line);
            }

            if (_lines.Count > KeptLines)
            {
                _lines.Dequeue();
            }
        }
    }
}
