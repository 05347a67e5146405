using ServingGrid.Benchmarks;
using ServingGrid.Benchmarks.Devices;
using ServingGrid.Benchmarks.Devices.Check;
using ServingGrid.Benchmarks.Http;
using ServingGrid.Benchmarks.Kernels;
using ServingGrid.Benchmarks.Models;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Benchmarks.Routing;
using ServingGrid.Benchmarks.Startup;
using ServingGrid.Benchmarks.Transfer;

// One line for each benchmark; `list` prints them. Each prints a table and the limits that it compares itself with.
Benchmark[] benchmarks =
[
    new("http", "load on an OpenAI-compatible server, or on two in turn: TTFT, ITL, tokens/s", HttpBenchmark.RunAsync),
    new("startup", "from a server's start to its first answers, and its memory; of two in turn", StartupBenchmark.RunAsync),
    new("memory", "peak memory of a program that runs to its end; of two in turn", MemoryBenchmark.RunAsync),
    new("model", "prefill and decode of whole models on a device, beside the machine's limits", ModelBenchmark.RunAsync),
    new("make-models", "write the random models that are measured, and print their paths", MakeModels.RunAsync, "--shapes 135m,1.1b   --types Q8_0,…   --cache FOLDER"),
    new("device", "each operation of a device, beside its roofline (Devices/README.md)", DeviceBenchmark.RunAsync, "--device NAME   --type TYPE   --width N …: see Devices/README.md"),
    new("cuda-check", "CUDA tests and benchmarks on a machine with a GPU: started by Devices/cuda-check", DeviceCheck.RunAsync),
    new("kv-transfer", "KV blocks between two silos, beside a plain socket and a memory copy", KvTransferBenchmark.RunAsync, "none"),
    new("handover", "what a prefill on another engine adds to the time to first token", HandoverBenchmark.RunAsync, "none"),
    new("recovery", "how long an engine is away when its device fails for three steps", RecoveryBenchmark.RunAsync, "none"),
    new("routing", "choosing among 1,000 devices by 1,000,000 indexed blocks", RoutingBenchmark.RunAsync, "--devices N   --blocks N   --decisions N"),
    new("cpu-kernels", "the CPU device's operations and whole steps, beside the processor's peaks", KernelBenchmark.RunAsync, "--threads N   --types Q8_0,…   --shape 135m or 1.1b   --isa portable, avx2 or avx512   --jit no   --only NAME: what starts so"),
    new("threads", "the CPU device's threads: starting an operation, being idle, sharing cores with other programs", PoolBenchmark.RunAsync, "--threads N   --programs N   --seconds N"),
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

if (chosen.Options is { } options && args is [_, "--help" or "-h"])
{
    Console.WriteLine($"{chosen.Name}: {chosen.Summary}\n  options: {options}");
    return 0;
}

try
{
    return await chosen.Run(args[1..]);
}
catch (Exception e) when (e is UsageException or ServerException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
