using ServingGrid.Benchmarks;
using ServingGrid.Benchmarks.Transfer;

// One line for each benchmark; `list` prints them. Each prints a table and the limits that it compares itself with.
Benchmark[] benchmarks =
[
    new("kv-transfer", "KV blocks between two silos, beside a plain socket and a memory copy", KvTransferBenchmark.RunAsync),
];

if (args.Length == 0 || args[0] is "list" or "--help" or "-h")
{
    Console.WriteLine("dotnet run -c Release --project tests/Benchmarks -- NAME [options]");
    foreach (Benchmark benchmark in benchmarks)
    {
        Console.WriteLine($"  {benchmark.Name,-16} {benchmark.Summary}");
    }

    return 0;
}

if (benchmarks.FirstOrDefault(benchmark => benchmark.Name == args[0]) is not { } chosen)
{
    Console.Error.WriteLine($"There is no benchmark '{args[0]}': {string.Join(", ", benchmarks.Select(benchmark => benchmark.Name))} are.");
    return 1;
}

return await chosen.Run(args[1..]);
