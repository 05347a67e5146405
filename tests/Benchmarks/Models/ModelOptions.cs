using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels;

namespace ServingGrid.Benchmarks.Models;

/// <summary>Which models to measure at what.</summary>
internal sealed record ModelOptions
{
    public const string Help = """
        model [options]: prompts and decoding on the engine's forward pass, without a server

          --device NAME    as the gateway's --device names it                       (default: cpu)
          --files LIST     model files                                              (default: the random ones)
          --shapes LIST    shapes of random models: 135m, 1.1b, 8b or tiny          (default: 135m)
          --types LIST     their tensor types                                       (default: F16,Q8_0,Q4_0,Q4_1,Q4_K,Q6_K)
          --cache FOLDER   where those for the cpu device are kept                  (default: in the temporary folder)
          --threads N      of the CPU device                                        (default: one for each core)
          --prefill LIST   prompt lengths, or none                                  (default: 128,512,2048)
          --decode LIST    contexts of one decoding sequence, or none               (default: 128,2048)
          --batch LIST     numbers of sequences that decode together, or none       (default: 1,2,4,8,16,32)
          --context N      their context                                            (default: 128)
          --steps N        decode steps of a measurement                            (default: 64)
          --chunk N        most prompt tokens of a step                             (default: 512)
          --repeat N       measurements, of which the median counts                 (default: 3)
          --within SECONDS starts no measurement later than that                    (default: no limit)
          --profile yes    also where the time goes, by operation of the device     (default: no)
          --csv PATH       keep the rows for a script
        """;

    public required string Device { get; init; }

    public required IReadOnlyList<string> Files { get; init; }

    public required IReadOnlyList<string> Shapes { get; init; }

    public required IReadOnlyList<string> Types { get; init; }

    public required string Cache { get; init; }

    public required int Threads { get; init; }

    public required IReadOnlyList<int> Prefill { get; init; }

    public required IReadOnlyList<int> Decode { get; init; }

    public required IReadOnlyList<int> Batch { get; init; }

    public required int Context { get; init; }

    public required int Steps { get; init; }

    public required int Chunk { get; init; }

    public required int Repeat { get; init; }

    /// <summary>Seconds after the start beyond which no measurement begins.</summary>
    public required double Within { get; init; }

    public required bool Profile { get; init; }

    public required string? Csv { get; init; }

    /// <summary>Most positions that a test holds in the KV cache.</summary>
    public int Positions(int blockSize)
    {
        int Whole(int tokens) => (tokens + blockSize - 1) / blockSize * blockSize;
        IEnumerable<int> needs = [.. Prefill.Select(Whole), .. Decode.Select(context => Whole(context + Steps)), .. Batch.Select(sequences => sequences * Whole(Context + Steps))];
        return needs.DefaultIfEmpty(blockSize).Max();
    }

    /// <exception cref="UsageException">An argument is wrong.</exception>
    public static ModelOptions Parse(string[] args)
    {
        var arguments = new Arguments(
            args,
            "--device", "--files", "--shapes", "--types", "--cache", "--threads",
            "--prefill", "--decode", "--batch", "--context", "--steps", "--chunk", "--repeat", "--within", "--profile", "--csv");
        return new ModelOptions
        {
            Device = arguments.Text("--device") ?? DeviceCatalog.Cpu,
            Within = arguments.Number("--within", double.PositiveInfinity),
            Files = arguments.Texts("--files", "none"),
            Shapes = arguments.Texts("--shapes", "135m"),
            Types = arguments.Texts("--types", ModelCatalog.DefaultTypes),
            Cache = arguments.Text("--cache") ?? ModelCatalog.DefaultFolder,
            Threads = arguments.Integer("--threads", Environment.ProcessorCount),
            Prefill = arguments.Integers("--prefill", "128,512,2048"),
            Decode = arguments.Integers("--decode", "128,2048"),
            Batch = arguments.Integers("--batch", "1,2,4,8,16,32"),
            Context = arguments.Integer("--context", 128),
            Steps = arguments.Integer("--steps", 64),
            Chunk = arguments.Integer("--chunk", 512),
            Repeat = arguments.Integer("--repeat", 3),
            Profile = arguments.Text("--profile") == "yes",
            Csv = arguments.Text("--csv"),
        };
    }
}
