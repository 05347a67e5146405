namespace ServingGrid.Benchmarks.Devices.Check;

internal enum TestOutcome
{
    /// <summary>Started, and not heard of since.</summary>
    Running,

    Passed,

    Failed,

    Skipped,
}

/// <summary>What became of one test.</summary>
/// <param name="Name">With the arguments of a theory.</param>
/// <param name="Method">Class and method, as the runner's filters take it.</param>
/// <param name="Outcome">Its latest outcome, if it ran several times.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Message">Of a failure or a skip.</param>
/// <param name="Output">What the test itself has written.</param>
/// <param name="DeviceFailed">It failed because a call to the device did: whatever follows in the same process may fail for that reason
/// alone.</param>
internal sealed record TestResult(
    string Name,
    string Method,
    TestOutcome Outcome,
    double Seconds = 0,
    string Message = "",
    string Output = "",
    bool DeviceFailed = false);
