using System.Diagnostics;
using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Models;

/// <summary>One thing to measure on a model.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Tokens">Tokens that one measurement computes.</param>
/// <param name="Steps">Decode steps of a measurement; 1 for a prompt as a whole.</param>
/// <param name="Operations">What it computes at least.</param>
/// <param name="Bytes">What it reads at least; 0 where reading is not what takes the time.</param>
/// <param name="Run">One measurement.</param>
internal sealed record SpeedTest(string Name, int Tokens, int Steps, double Operations, double Bytes, Action<ModelRunner> Run)
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1.2);
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(4);

    public static IEnumerable<SpeedTest> All(ModelOptions options, StepCost cost) =>
    [
        .. options.Prefill.Select(tokens => new SpeedTest(
            $"prefill {tokens}", tokens, 1, cost.PrefillOperations(tokens), 0, runner => runner.Prefill(tokens))),
        .. options.Decode.Select(context => Decoding($"decode at {context}", 1, context, options.Steps, cost)),
        .. options.Batch.Select(sequences => Decoding($"decode {sequences} × {options.Context}", sequences, options.Context, options.Steps, cost)),
    ];

    /// <summary>Median of the seconds that a measurement takes, once the code has been compiled for speed.</summary>
    public double MedianSeconds(ModelRunner runner, int repeat)
    {
        long start = Stopwatch.GetTimestamp();
        do
        {
            Run(runner);
        }
        while (Stopwatch.GetElapsedTime(start) < WarmUp);

        // What takes so long varies little, and little of it is what compiled code would save.
        if (Stopwatch.GetElapsedTime(start) > Long)
        {
            repeat = 1;
        }

        return Enumerable.Range(0, repeat).Select(_ =>
        {
            long begin = Stopwatch.GetTimestamp();
            Run(runner);
            return Stopwatch.GetElapsedTime(begin).TotalSeconds;
        }).Median();
    }

    private static SpeedTest Decoding(string name, int sequences, int context, int steps, StepCost cost)
    {
        double middle = context + steps / 2.0;
        return new SpeedTest(
            name,
            sequences * steps,
            steps,
            steps * cost.DecodeOperations(sequences, middle),
            steps * cost.DecodeBytes(sequences, middle),
            runner => runner.Decode(sequences, context, steps));
    }
}
