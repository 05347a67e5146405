using System.Diagnostics;
using ServingGrid.Benchmarks.Devices;
using ServingGrid.Benchmarks.Kernels;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;

namespace ServingGrid.Benchmarks.Models;

/// <summary>How fast models run on a device, and how near that is to what the machine can do.</summary>
internal sealed class ModelBenchmark
{
    // What the driver keeps for itself, and activations.
    private const double UsableShare = 0.9;

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly ModelOptions _options;
    private readonly Peaks _peaks;

    private ModelBenchmark(ModelOptions options, Peaks peaks)
    {
        _options = options;
        _peaks = peaks;
    }

    private bool IsCpu => _options.Device == DeviceCatalog.Cpu;

    private bool OutOfTime => Stopwatch.GetElapsedTime(_start).TotalSeconds > _options.Within;

    public static Task<int> RunAsync(string[] args)
    {
        if (args is ["--help"])
        {
            Console.WriteLine(ModelOptions.Help);
            return Task.FromResult(0);
        }

        ModelOptions options = ModelOptions.Parse(args);
        try
        {
            Peaks peaks = Peaks.Of(options);
            Console.WriteLine(peaks.Description);
            new ModelBenchmark(options, peaks).Run();
            return Task.FromResult(0);
        }
        catch (DeviceException e)
        {
            Console.Error.WriteLine(e.Message);
            return Task.FromResult(1);
        }
    }

    private void Run()
    {
        string memory = IsCpu ? "peak MiB" : "device MiB";
        var table = new Table("model", "test", "tokens/s", "ms", "GB/s", "of reads", "GOP/s", "of peak", "load ms", memory);
        try
        {
            foreach (MeasuredModel model in MeasuredModel.All(_options))
            {
                Measure(model, table);
            }
        }
        finally
        {
            // Also what was measured before the device failed.
            table.Report(_options.Csv);
        }
    }

    private void Measure(MeasuredModel model, Table table)
    {
        if (OutOfTime)
        {
            Console.WriteLine($"{model.Name}: left out, no time was left for it");
            return;
        }

        ProcessMemory.ResetPeak();
        long start = Stopwatch.GetTimestamp();
        using Device device = DeviceCatalog.Open(_options.Device, new CpuDeviceOptions { Threads = _options.Threads });
        using var timed = _options.Profile ? new TimedDevice(device) : null;
        long free = device.FreeMemoryBytes;
        (ModelConfig config, ModelWeights weights, IDisposable? owner) = model.Open();
        StepCost cost;
        ModelRunner runner;
        using (owner)
        {
            cost = new StepCost(config, weights);
            int positions = _options.Positions(new KvLayout(1, 1, 1).BlockSize);
            double needed = cost.StoredBytes + cost.CacheBytes(positions);
            if (!IsCpu && needed > free * UsableShare)
            {
                const double GiB = 1 << 30;
                Console.WriteLine(FormattableString.Invariant(
                    $"{model.Name}: left out, it takes {needed / GiB:F1} GiB with its KV cache and {free / GiB:F1} GiB are free"));
                return;
            }

            runner = new ModelRunner(config, weights, timed ?? device, _options.Chunk, _options.Batch.Append(1).Max(), positions);
        }

        using (runner)
        {
            runner.Prefill(1);
            double loaded = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            foreach (SpeedTest test in SpeedTest.All(_options, cost))
            {
                if (OutOfTime)
                {
                    Console.WriteLine($"{model.Name}, {test.Name} and what comes after it: left out, no time was left for it");
                    break;
                }

                timed?.Reset();
                double seconds = test.MedianSeconds(runner, _options.Repeat);
                double gigabytes = test.Bytes > 0 ? test.Bytes / seconds / 1e9 : double.NaN;
                double gigaops = test.Operations / seconds / 1e9;
                double memory = IsCpu ? ProcessMemory.PeakMegabytes() : (free - device.FreeMemoryBytes) / (double)(1 << 20);
                double rate = test.Tokens / seconds;
                double milliseconds = seconds * 1e3 / test.Steps;
                double ofPeak = gigaops / _peaks.Arithmetic(cost);
                table.Add(model.Name, test.Name, rate, milliseconds, gigabytes, gigabytes / _peaks.Read, gigaops, ofPeak, loaded, memory);
                Console.Error.WriteLine($"{model.Name}, {test.Name}: {Table.Format(rate)} tokens/s");
                timed?.Print(Console.Out, $"{model.Name}, {test.Name}, {device.Info.Kernels}");
            }
        }
    }

    /// <summary>
    /// The machine's limits: measured on the processor, from the hardware's own numbers on GPUs, and not finite where neither is to be had.
    /// </summary>
    private sealed record Peaks(double Read, double Float, double Int8, string Description)
    {
        public static Peaks Of(ModelOptions options)
        {
            if (options.Device == DeviceCatalog.Cpu)
            {
                ProcessorPeaks peaks = ProcessorPeaks.Measure(options.Threads);
                string measured = $"int8 {peaks.Int8:F0} GOP/s, F32 {peaks.Float:F0} GFLOP/s, reads {peaks.Read:F1} GB/s";
                return new Peaks(peaks.Read, peaks.Float, peaks.Int8, $"{options.Threads} threads at most: {measured}");
            }

            using Device device = DeviceCatalog.Open(options.Device);
            HardwarePeaks hardware = HardwarePeaks.Of(device);
            string known = hardware.Read > 0 ? hardware.Limits : "its peaks are not known";
            return new Peaks(OrNone(hardware.Read), OrNone(hardware.Float), 0, $"{device.Info.Id}, {device.Info.Name}: {known}");
        }

        /// <summary>GPU kernels compute in F32 whatever the weights are; the processor's in int8 where the weights are quantised.</summary>
        public double Arithmetic(StepCost cost) => cost.IsFloat || Int8 == 0 ? Float : Int8;

        private static double OrNone(double peak) => peak > 0 ? peak : double.NaN;
    }
}
