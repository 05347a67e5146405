using System.Diagnostics;
using ServingGrid.Benchmarks.Kernels;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;

namespace ServingGrid.Benchmarks.Models;

/// <summary>How fast models run on this machine's processor, and how near that is to what the machine can do.</summary>
internal static class ModelBenchmark
{
    public static Task<int> RunAsync(string[] args)
    {
        if (args is ["--help"])
        {
            Console.WriteLine(ModelOptions.Help);
            return Task.FromResult(0);
        }

        ModelOptions options = ModelOptions.Parse(args);
        ProcessorPeaks peaks = ProcessorPeaks.Measure(options.Threads);
        Console.WriteLine($"{options.Threads} threads at most: int8 {peaks.Int8:F0} GOP/s, F32 {peaks.Float:F0} GFLOP/s, reads {peaks.Read:F1} GB/s");
        var table = new Table("model", "test", "tokens/s", "GB/s", "of reads", "GOP/s", "of peak", "load ms", "peak MiB");
        foreach (string path in options.Files is [] ? ModelCatalog.Files(options.Cache, options.Shapes, options.Types) : options.Files)
        {
            Measure(path, options, peaks, table);
        }

        table.Print(Console.Out);
        if (options.Csv is { } csv)
        {
            table.Save(csv);
        }

        return Task.FromResult(0);
    }

    private static void Measure(string path, ModelOptions options, ProcessorPeaks peaks, Table table)
    {
        ProcessMemory.ResetPeak();
        long start = Stopwatch.GetTimestamp();
        using Device cpu = CpuDevice.Create(new CpuDeviceOptions { Threads = options.Threads });
        using var timed = options.Profile ? new TimedDevice(cpu) : null;
        StepCost cost;
        ModelRunner runner;
        using (ModelFile file = ModelFile.Open(path))
        {
            cost = new StepCost(file);
            runner = new ModelRunner(file, timed ?? cpu, options.Chunk, options.Batch.Append(1).Max(), options.Positions(new KvLayout(1, 1, 1).BlockSize));
        }

        using (runner)
        {
            runner.Prefill(1);
            double loaded = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            foreach (SpeedTest test in SpeedTest.All(options, cost))
            {
                timed?.Reset();
                double seconds = test.MedianSeconds(runner, options.Repeat);
                double gigabytes = test.Bytes > 0 ? test.Bytes / seconds / 1e9 : double.NaN;
                double gigaops = test.Operations / seconds / 1e9;
                double peak = cost.IsFloat || peaks.Int8 == 0 ? peaks.Float : peaks.Int8;
                table.Add(Path.GetFileNameWithoutExtension(path), test.Name, test.Tokens / seconds, gigabytes, gigabytes / peaks.Read, gigaops, gigaops / peak, loaded, ProcessMemory.PeakMegabytes());
                timed?.Print(Console.Out, $"{Path.GetFileNameWithoutExtension(path)}, {test.Name}, {cpu.Info.Kernels}");
            }
        }
    }
}
