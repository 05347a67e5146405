using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>What <c>cuda-check run</c> hands on.</summary>
internal sealed record CheckOptions
{
    public const string Help = """
        cuda-check [options]: the CUDA tests, then the benchmarks device and model; tests/Benchmarks/Devices/cuda-check starts it on
        the machine that has the GPU

          --device NAME      cuda:0, or ilgpu-cpu to try the check without a GPU      (default: cuda:0)
          --out FOLDER       where cuda-check.md is written                           (default: the current folder)
          --seconds N        for everything together                                  (default: 480)
          --only LIST        some of kernels,engine,device,model                      (default: all)
        """;

    public const string ResultsFile = "cuda-check.md";

    private static readonly string[] PartNames = ["kernels", "engine", "device", "model"];

    public required string Device { get; init; }

    /// <summary>The CPU accelerator stands in for a GPU: sizes must be small.</summary>
    public bool IsStandIn => Device == IlgpuDevices.CpuAccelerator;

    public required string ResultsPath { get; init; }

    public required TimeSpan Limit { get; init; }

    public required IReadOnlyList<string> Only { get; init; }

    /// <exception cref="UsageException">An argument is wrong.</exception>
    public static CheckOptions Parse(string[] args)
    {
        var arguments = new Arguments(args, "--device", "--out", "--seconds", "--only");
        IReadOnlyList<string> only = arguments.Texts("--only", string.Join(',', PartNames));
        if (only.FirstOrDefault(name => !PartNames.Contains(name)) is { } wrong)
        {
            throw new UsageException($"--only takes some of {string.Join(", ", PartNames)}, not '{wrong}'.");
        }

        return new CheckOptions
        {
            Device = arguments.Text("--device") ?? "cuda:0",
            ResultsPath = Path.GetFullPath(Path.Combine(arguments.Text("--out") ?? ".", ResultsFile)),
            Limit = TimeSpan.FromSeconds(arguments.Number("--seconds", 480)),
            Only = only,
        };
    }
}
