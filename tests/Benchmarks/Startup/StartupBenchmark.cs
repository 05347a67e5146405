using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Startup;

/// <summary>Starts one server or, in turn, two, again and again. Linux.</summary>
internal static class StartupBenchmark
{
    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["--help"])
        {
            Console.WriteLine(StartupOptions.Help);
            return 0;
        }

        StartupOptions options = StartupOptions.Parse(args);
        string[] commands = options.Peer is { } peer ? [options.Command, peer] : [options.Command];
        Findings[] findings = [.. commands.Select(_ => new Findings())];
        for (int run = -1; run < options.Runs; run++)
        {
            for (int i = 0; i < commands.Length; i++)
            {
                // The first one fills the page cache and compiles what measures.
                await StartupRun.MeasureAsync(commands[i], options, run < 0 ? new Findings() : findings[i]);
            }
        }

        Console.WriteLine($"{options.Runs} starts in turn, medians; requests of {options.Input} prompt tokens and {options.Output} new ones");
        var table = new Table([.. Findings.Columns]);
        Findings.AddRows(table, findings);
        table.Report(options.Csv);
        return 0;
    }
}
