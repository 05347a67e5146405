using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Startup;

/// <summary>Runs one program or, in turn, two, to their ends, and watches their peak of resident memory. Linux.</summary>
internal static class MemoryBenchmark
{
    private const string Help = """
        memory --command CMD [--peer-command CMD] [options]: peak memory of programs that end by themselves

          --command CMD        a program
          --peer-command CMD   another one
          --runs N             of each, in turn        (default: 3)
          --csv PATH           keep the rows for a script
        """;

    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(20);

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is [] or ["--help"])
        {
            Console.WriteLine(Help);
            return 0;
        }

        var arguments = new Arguments(args, "--command", "--peer-command", "--runs", "--csv");
        string command = arguments.Text("--command") ?? throw new UsageException("--command is needed: the program to measure.");
        string[] commands = arguments.Text("--peer-command") is { } peer ? [command, peer] : [command];
        Findings[] findings = [.. commands.Select(_ => new Findings())];
        for (int run = 0; run < arguments.Integer("--runs", 3); run++)
        {
            for (int i = 0; i < commands.Length; i++)
            {
                await MeasureAsync(commands[i], findings[i]);
            }
        }

        var table = new Table([.. Findings.Columns]);
        Findings.AddRows(table, findings);
        table.Report(arguments.Text("--csv"));
        return 0;
    }

    private static async Task MeasureAsync(string command, Findings findings)
    {
        using var process = MeasuredProcess.Start(command);
        double peak = 0;
        while (!process.HasEnded)
        {
            // A program may start its peak anew (our model benchmark does, for each model): the last that was seen counts.
            double now = ProcessMemory.PeakMegabytes(process.Id);
            peak = double.IsNaN(now) ? peak : now;
            await Task.Delay(PollEvery);
        }

        if (process.ExitCode != 0)
        {
            throw new UsageException($"'{command}' ended with {process.ExitCode}. It printed:{Environment.NewLine}{process.LastOutput}");
        }

        findings.Add("peak, MiB", peak);
        findings.Add("time, ms", process.MillisecondsSinceStart);
    }
}
