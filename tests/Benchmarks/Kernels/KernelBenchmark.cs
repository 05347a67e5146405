using System.Diagnostics;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Kernels;

/// <summary>
/// Whole steps of a model with random weights on the CPU device (no engine around them), by operation, and the fraction of the
/// processor's peaks that they reach.
/// </summary>
internal static class KernelBenchmark
{
    public static Task<int> RunAsync(string[] arguments)
    {
        var asked = new Arguments(arguments, "--threads", "--types", "--shape", "--isa", "--jit", "--only");
        int threads = asked.Integer("--threads", Environment.ProcessorCount);
        string only = asked.Text("--only") ?? "";
        RandomModelShape shape = (asked.Text("--shape") ?? "135m") switch
        {
            "135m" => RandomModelShape.SmolLM2,
            "1.1b" => RandomModelShape.TinyLlama,
            string other => throw new UsageException($"There is no shape '{other}': 135m and 1.1b are."),
        };
        var options = new CpuDeviceOptions
        {
            Threads = threads,
            Isa = Named<CpuIsa>(asked.Text("--isa") ?? nameof(CpuIsa.Auto)),
            GeneratedCode = asked.Text("--jit") != "no",
        };
        ProcessorPeaks peaks = ProcessorPeaks.Measure(threads);
        Console.WriteLine($"peaks: int8 {peaks.Int8:F0} GOP/s, F32 {peaks.Float:F0} GFLOP/s, read {peaks.Read:F1} GB/s");
        Console.WriteLine($"an empty operation: {PoolBenchmark.DispatchMicroseconds(threads):F2} µs");
        foreach (string name in asked.Texts("--types", "Q8_0,Q4_0,Q4_1,Q4_K,Q6_K,F16"))
        {
            GgmlType type = Named<GgmlType>(name);
            using CpuDevice device = CpuDevice.Create(options);
            long start = Stopwatch.GetTimestamp();
            using var model = new SyntheticModel(device, shape, type, 512, 2560);
            Console.WriteLine($"{name}, {device.Info.Kernels}; made in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
            Measure(model, only, "prefill 512", 512, 1, () => model.Step(1, 512, 0));
            Measure(model, only, "prefill 2048", 2048, 1, () =>
            {
                for (int context = 0; context < 2048; context += 512)
                {
                    model.Step(1, 512, context);
                }
            });
            foreach ((int sequences, int context) in ((int, int)[])[(1, 128), (1, 2048), (2, 128), (4, 128), (8, 128), (16, 128), (32, 128)])
            {
                Measure(model, only, $"decode {sequences} × at {context}", sequences, 24, () => model.Step(sequences, 1, context));
            }

            Console.WriteLine($"  (a token: {2 * Weights(shape) / 1e9:F3} GOP and {model.WeightBytes / 1e6:F0} MB of weights)");
        }

        return Task.FromResult(0);
    }

    private static T Named<T>(string name)
        where T : struct, Enum =>
        Enum.TryParse(name, ignoreCase: true, out T value) && Enum.IsDefined(value) ? value : throw new UsageException($"There is no {typeof(T).Name} '{name}'.");

    private static double Weights(RandomModelShape shape)
    {
        int heads = shape.Heads * shape.HeadSize;
        int kv = shape.KvHeads * shape.HeadSize;
        return (double)shape.Layers * shape.Width * (2 * heads + 2 * kv + 3 * shape.FeedForward) + (double)shape.VocabularySize * shape.Width;
    }

    private static void Measure(SyntheticModel model, string only, string name, int tokens, int repeats, Action work)
    {
        if (!name.StartsWith(only, StringComparison.Ordinal))
        {
            return;
        }

        work();
        var times = new List<double>();
        Dictionary<string, double> best = [];
        for (int attempt = 0; attempt < 3; attempt++)
        {
            model.Seconds.Clear();
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < repeats; i++)
            {
                work();
            }

            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / repeats);
            if (times[^1] == times.Min())
            {
                best = new(model.Seconds);
            }
        }

        string parts = string.Join(", ", best.Where(p => p.Value > 0.01 * best.Values.Sum()).Select(p => $"{p.Key} {p.Value / repeats * 1e3:F2}"));
        Console.WriteLine($"  {name,-18} {tokens / times.Min(),8:F0} tok/s   ms: {parts}");
    }
}
