namespace ServingGrid.Benchmarks;

/// <summary>A benchmark that can be run by name.</summary>
/// <param name="Name">First argument of the command line.</param>
/// <param name="Summary">One line for the list.</param>
/// <param name="Run">Takes the remaining arguments and returns the exit code.</param>
/// <param name="Options">What <c>--help</c> says of its options; null: it answers that itself.</param>
internal sealed record Benchmark(string Name, string Summary, Func<string[], Task<int>> Run, string? Options = null);
