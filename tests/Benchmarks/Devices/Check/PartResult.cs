namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>What one part has shown.</summary>
/// <param name="Title">Its name in the results.</param>
/// <param name="Passed">All of it was well.</param>
/// <param name="Verdict">In a few words: "91 passed", "stopped, because …".</param>
/// <param name="Elapsed">What it took.</param>
/// <param name="Limit">What it might have taken.</param>
/// <param name="Output">What it has printed; the error stream only where that matters.</param>
/// <param name="Tests">Of test programs.</param>
internal sealed record PartResult(
    string Title,
    bool Passed,
    string Verdict,
    TimeSpan Elapsed,
    TimeSpan Limit,
    IReadOnlyList<string> Output,
    IReadOnlyList<TestResult> Tests);
