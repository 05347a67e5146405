using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>
/// Runs the CUDA tests and the benchmarks of devices one after the other, each for a share of the time that is left, and writes one file of
/// results.
/// Where it runs there is nothing but a driver: programs and .NET come from the archive that <c>cuda-check pack</c> makes.
/// </summary>
internal sealed class DeviceCheck
{
    // For the file, and for programs that are slow to go.
    private static readonly TimeSpan Reserve = TimeSpan.FromSeconds(6);

    private static readonly TimeSpan FactsLimit = TimeSpan.FromSeconds(40);

    private static readonly TimeSpan LeastLimit = TimeSpan.FromSeconds(1);

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly CheckOptions _options;
    private readonly ChildProgram _child;
    private readonly CheckReport _report;

    private DeviceCheck(CheckOptions options)
    {
        _options = options;
        string version = Path.Combine(AppContext.BaseDirectory, "..", "version");
        _child = new ChildProgram(ChildEnvironment(options));
        _report = new CheckReport(options.ResultsPath,
        [
            ("device", options.IsStandIn ? $"{options.Device}: no GPU, ILGPU's CPU accelerator stands in for one" : options.Device),
            ("packed", File.Exists(version) ? File.ReadAllText(version).Trim() : "not packed: run from a build"),
            ("started", DateTimeOffset.UtcNow.ToString("u", CultureInfo.InvariantCulture)),
            ("machine", $"{RuntimeInformation.OSDescription}, {Environment.ProcessorCount} cores"),
        ]);
    }

    private TimeSpan Left => _options.Limit - Reserve - Stopwatch.GetElapsedTime(_start);

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["--help" or "-h"])
        {
            Console.WriteLine(CheckOptions.Help);
            return 0;
        }

        if (args is ["facts", var device])
        {
            return DeviceFacts.Print(device);
        }

        CheckOptions options = CheckOptions.Parse(args);
        foreach (CheckPart part in CheckPart.All(options))
        {
            if (!File.Exists(PathOf(part)))
            {
                throw new UsageException(
                    $"{part.Program} is not beside this program: tests/Benchmarks/Devices/cuda-check packs all that is needed.");
            }
        }

        Directory.CreateDirectory(Path.GetDirectoryName(options.ResultsPath)!);
        using var stop = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await new DeviceCheck(options).RunAsync(stop.Token);

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private async Task<int> RunAsync(CancellationToken stop)
    {
        PartResult facts = await RunProgramAsync(CheckPart.Facts(_options), FactsLimit < Left ? FactsLimit : Left, stop);
        Add(facts with { Output = [.. await NvidiaSmiAsync(stop), .. facts.Output] });
        CheckPart[] parts = [.. CheckPart.All(_options)];
        for (int i = 0; i < parts.Length; i++)
        {
            CheckPart part = parts[i];
            TimeSpan limit = Left * part.Weight / parts[i..].Sum(rest => rest.Weight);
            if (!facts.Passed || stop.IsCancellationRequested || limit < LeastLimit)
            {
                string why = !facts.Passed ? "the device cannot be used" : stop.IsCancellationRequested ? "the check was stopped" : "no time was left";
                Add(new PartResult(part.Title, Passed: false, $"not run, because {why}", TimeSpan.Zero, TimeSpan.Zero, [], []));
                continue;
            }

            Console.WriteLine(FormattableString.Invariant($"{part.Title}: {limit.TotalSeconds:F0} s at most"));
            Add(part.IsTests ? await RunTestsAsync(part, limit, stop) : await RunProgramAsync(part, limit, stop));
        }

        _report.Finish(Stopwatch.GetElapsedTime(_start));
        Console.WriteLine($"results: {_options.ResultsPath}");
        return _report.AllPassed ? 0 : 1;
    }

    private async Task<PartResult> RunTestsAsync(CheckPart part, TimeSpan limit, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        var tests = new TestPart(_child, PathOf(part));
        await tests.RunAsync(Dotnet, limit, stop);
        IReadOnlyList<TestResult> results = tests.Log.Results;
        int Count(TestOutcome outcome) => results.Count(result => result.Outcome == outcome);
        string verdict = $"{Count(TestOutcome.Passed)} passed, {Count(TestOutcome.Failed)} failed, {Count(TestOutcome.Skipped)} skipped";
        verdict += tests.Rounds > 1 ? $", in {tests.Rounds} processes" : "";
        verdict += tests.Incomplete is { } why ? $"; {why}" : "";

        // Errors outside of tests count too; whatever else a program prints does not.
        bool passed = tests.Incomplete is null && Count(TestOutcome.Passed) > 0 && Count(TestOutcome.Failed) == 0 && !tests.Log.HasErrors;
        return new PartResult(part.Title, passed, verdict, Stopwatch.GetElapsedTime(start), limit, tests.Log.Other, results);
    }

    private async Task<PartResult> RunProgramAsync(CheckPart part, TimeSpan limit, CancellationToken stop)
    {
        List<string> output = [];
        List<string> errors = [];
        string[] arguments = [PathOf(part), .. part.Arguments((int)limit.TotalSeconds)];
        ProgramEnd end = await _child.RunAsync(Dotnet, arguments, limit, limit, Keep, stop);
        bool passed = end.ExitCode == 0;
        string verdict = passed ? "done" : end.Stopped is { } why ? $"stopped, because {why}" : $"failed with exit code {end.ExitCode}";

        // Progress is of interest only where the table has not come.
        return new PartResult(part.Title, passed, verdict, end.Elapsed, limit, [.. output, .. passed ? [] : errors], []);

        void Keep(string line, bool isError) => (isError ? errors : output).Add(line);
    }

    private async Task<IReadOnlyList<string>> NvidiaSmiAsync(CancellationToken stop)
    {
        string[] folders = [.. Folders("PATH"), "/usr/local/nvidia/bin", "/usr/bin", "/usr/lib/wsl/lib"];
        if (folders.Select(folder => Path.Combine(folder, "nvidia-smi")).FirstOrDefault(File.Exists) is not { } program)
        {
            return ["nvidia-smi is not here"];
        }

        const string Query =
            "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit,temperature.gpu,utilization.gpu";
        List<string> lines = [];
        try
        {
            ProgramEnd end = await _child.RunAsync(
                program, [Query, "--format=csv"], FactsLimit, FactsLimit, (line, _) => lines.Add(line), stop);
            if (end.ExitCode != 0)
            {
                lines.Add($"nvidia-smi {(end.Stopped is { } why ? $"was stopped, because {why}" : $"failed with exit code {end.ExitCode}")}");
            }
        }
        catch (Win32Exception e)
        {
            // It is there and does not start: worth a line, and no more than that.
            lines.Add(e.Message);
        }

        return lines;
    }

    private void Add(PartResult result)
    {
        _report.Add(result);
        Console.WriteLine(FormattableString.Invariant($"{result.Title}: {result.Verdict} ({result.Elapsed.TotalSeconds:F1} s)"));
    }

    private static string Dotnet => Environment.ProcessPath!;

    private static string PathOf(CheckPart part) => Path.Combine(AppContext.BaseDirectory, part.Program);

    private static Dictionary<string, string?> ChildEnvironment(CheckOptions options)
    {
        // What tests would look for elsewhere is not to come from this machine.
        var environment = new Dictionary<string, string?>
        {
            [GpuUnderTest.Variable] = options.Device,
            ["SERVINGGRID_MODELS"] = null,
            ["SERVINGGRID_GOLDEN"] = null,
            ["SERVINGGRID_NIGHTLY"] = null,
        };
        if (DriverFolders.Missing(Path.Combine(AppContext.BaseDirectory, "..", "lib")) is { Count: > 0 } missing)
        {
            environment["LD_LIBRARY_PATH"] = string.Join(':', [.. Folders("LD_LIBRARY_PATH"), .. missing]);
        }

        return environment;
    }

    private static string[] Folders(string variable) =>
        (Environment.GetEnvironmentVariable(variable) ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
}
