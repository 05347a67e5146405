using System.Diagnostics;
using System.Globalization;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Engine;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;

namespace ServingGrid.Benchmarks.Models;

/// <summary>
/// How long an engine is away when its device computes nothing for three steps: from the failure until it takes work, and until the next
/// token. Sixteen streams run when it happens; medians of five rounds.
/// </summary>
internal static class RecoveryBenchmark
{
    private const int Rounds = 5;
    private const int Streams = 16;

    // The step of all, one of a sequence alone, and the engine's own: then nobody is to blame.
    private const int FailedSteps = 3;

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length != 0)
        {
            Console.Error.WriteLine("recovery takes no options.");
            return 1;
        }

        var table = new Table("model", "recovery ms", "next token ms", "sequences");
        foreach (string path in ModelCatalog.Files(ModelCatalog.DefaultFolder, ["135m"], ["Q8_0"]))
        {
            using ModelFile file = ModelFile.Open(path);
            using var device = new TimedDevice(CpuDevice.Create(new CpuDeviceOptions()));
            var options = new EngineOptions { KvMemoryBytes = 512 << 20, MaxFailures = Rounds };
            await using var engine = new InferenceEngine(file.Config, file.Weights, file.Fingerprint, null, device, options);
            List<double> recovery = [], next = [];
            for (int round = 0; round < Rounds; round++)
            {
                SequenceHandle[] handles = [.. Enumerable.Range(0, Streams).Select(i => Submit(engine, file, i, 1000))];
                await Task.WhenAll(handles.Select(handle => handle.Updates.WaitToReadAsync().AsTask()));
                long start = Stopwatch.GetTimestamp();
                device.FailNextSteps(FailedSteps);
                await Task.WhenAll(handles.Select(FailureAsync));
                while (engine.Status.Health != EngineHealth.Serving)
                {
                    await Task.Delay(1);
                }

                recovery.Add(engine.Status.LastRecoverySeconds * 1000);
                await Submit(engine, file, round, 1).Updates.WaitToReadAsync();
                next.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            table.Add(Path.GetFileName(path), recovery.Median(), next.Median(), Streams.ToString(CultureInfo.InvariantCulture));
        }

        table.Print(Console.Out);
        return 0;
    }

    private static SequenceHandle Submit(InferenceEngine engine, ModelFile file, int seed, int tokens)
    {
        var random = new Random(seed);
        int[] prompt = [.. Enumerable.Range(0, 32).Select(_ => random.Next(file.Config.VocabularySize))];
        var request = new SequenceRequest
        {
            Id = "benchmark",
            Prompt = prompt,
            MaxTokens = tokens,
            IgnoreEos = true,
            Sampling = SamplingParameters.Greedy,
        };
        return engine.Submit(request).Accepted!;
    }

    private static async Task FailureAsync(SequenceHandle handle)
    {
        try
        {
            await foreach (SequenceUpdate _ in handle.Updates.ReadAllAsync())
            {
            }

            throw new InvalidOperationException("a stream has ended that was to fail");
        }
        catch (EngineException)
        {
        }
    }
}
