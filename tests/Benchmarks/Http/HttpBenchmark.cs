using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Http;

/// <summary>Puts the same load on one server or, in turn, on two, and prints one table. The servers must be running.</summary>
internal static class HttpBenchmark
{
    public static async Task<int> RunAsync(string[] args)
    {
        if (args is [] or ["--help"])
        {
            Console.WriteLine(HttpOptions.Help);
            return 0;
        }

        HttpOptions options = HttpOptions.Parse(args);
        IReadOnlyList<HttpTest> tests = [.. options.Tests.SelectMany(name => Create(name, options))];
        using ServerUnderTest ours = new("ours", options.Url, Prompts(options));
        using ServerUnderTest? peer = options.Peer is null ? null : new("peer", options.Peer, Prompts(options));
        ServerUnderTest[] servers = peer is null ? [ours] : [ours, peer];
        foreach (ServerUnderTest server in servers)
        {
            await server.PrepareAsync(TimeSpan.FromSeconds(options.Warm));
        }

        Console.WriteLine($"prompts: seed {options.Seed}, token ids {options.Tokens.Low} … {options.Tokens.High}; {options.Rounds} rounds in turn, their medians; times in ms");
        var table = new Table(["test", .. Findings.Columns]);
        foreach (HttpTest test in tests)
        {
            await RunAsync(test, servers, options.Rounds, table);
        }

        table.Report(options.Csv);
        return 0;
    }

    private static async Task RunAsync(HttpTest test, ServerUnderTest[] servers, int rounds, Table table)
    {
        Findings[] findings = [.. servers.Select(_ => new Findings())];
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < servers.Length; i++)
            {
                await test.RunAsync(servers[i], findings[i]);
            }
        }

        Findings.AddRows(table, findings, test.Name);
    }

    private static PromptMaker Prompts(HttpOptions options) => new(options.Seed, options.Tokens.Low, options.Tokens.High);

    private static IEnumerable<HttpTest> Create(string name, HttpOptions options) => name switch
    {
        "load" => options.Clients.Select(clients => new LoadTest(clients, options)),
        "prefix" => [new SharedPrefixTest(options)],
        "streams" => [new RunningStreamsTest(options)],
        _ => throw new UsageException($"There is no test '{name}': load, prefix, streams are."),
    };
}
