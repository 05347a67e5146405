using System.Diagnostics;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Benchmarks.Devices;

/// <summary>
/// Each operation of a device at the shapes of one layer: time, bytes that must move at least, arithmetic, and how close that is to
/// the faster of the two limits that memory and arithmetic set. Weights are random, and on GPUs there are so many copies of them that no
/// cache serves them.
/// </summary>
internal sealed class DeviceBenchmark : IDisposable
{
    // Several times the largest cache of a GPU that is known to us.
    private const double ColdBytes = 400e6;

    // Of the device's free memory that copies of the layer may take.
    private const double MostOfMemory = 0.3;

    private readonly DeviceShape _shape;
    private readonly Device _device;
    private readonly double _bandwidth;
    private readonly double _flops;
    private readonly int _queryColumns;
    private readonly int _kvColumns;
    private readonly List<LayerCopy> _copies = [];
    private int _next;

    private DeviceBenchmark(DeviceShape shape, Device device)
    {
        _shape = shape;
        _device = device;
        HardwarePeaks hardware = HardwarePeaks.Of(device);
        _bandwidth = shape.Bandwidth > 0 ? shape.Bandwidth * 1e9 : hardware.Read * 1e9;
        _flops = shape.Tflops > 0 ? shape.Tflops * 1e12 : hardware.Float * 1e9;
        _queryColumns = shape.Heads * shape.HeadSize;
        _kvColumns = shape.KvHeads * shape.HeadSize;
        Console.WriteLine($"{device.Info.Id}: {device.Info.Name}; {shape}");
        if (hardware.Read > 0)
        {
            Console.WriteLine(hardware.Limits);
        }
    }

    public static Task<int> RunAsync(string[] args)
    {
        try
        {
            DeviceShape shape = DeviceShape.Parse(args);
            using Device device = DeviceCatalog.Open(shape.Device, warn: Console.Error.WriteLine);
            using var benchmark = new DeviceBenchmark(shape, device);
            benchmark.Run();
            return Task.FromResult(0);
        }
        catch (Exception e) when (e is ArgumentException or DeviceException)
        {
            Console.Error.WriteLine(e.Message);
            return Task.FromResult(1);
        }
    }

    public void Dispose()
    {
        foreach (LayerCopy copy in _copies)
        {
            copy.Dispose();
        }
    }

    private void Run()
    {
        var weights = new LayerWeightsData(_shape);
        int copies = 1;
        if (_device is IlgpuDevice && _device.Info.MemoryBytes > 0)
        {
            double most = _device.FreeMemoryBytes * MostOfMemory / weights.Bytes;
            copies = (int)Math.Max(1, Math.Min(most, Math.Ceiling(ColdBytes / weights.SmallestBytes)));
        }

        for (int i = 0; i < copies; i++)
        {
            _copies.Add(new LayerCopy(_device, weights));
        }

        using Matrix vocabulary = _device.LoadMatrix(weights.Vocabulary);
        using Vector norm = _device.LoadVector(TensorData.FromFloats("norm", 1, _shape.Width, Enumerable.Repeat(1f, _shape.Width).ToArray()));
        int[] pairs = [.. Enumerable.Range(0, _shape.HeadSize / 2)];
        using RopeTable rope = _device.LoadRope(new RopeParameters(RopeStyle.Halves, _shape.HeadSize, [.. pairs.Select(i => MathF.Pow(10000, -2f * i / _shape.HeadSize))]), _shape.Context + _shape.Chunk);
        Console.WriteLine(copies == 1 ? "one copy of the layer" : $"{copies} copies of the layer, in turn");
        Console.WriteLine(
            $"{"operation",-22}{"rows",6}{"ms alone",11}{"ms in a row",13}{"MB",9}{"GFLOP",9}{"GB/s",9}{"TFLOP/s",9}"
            + (_bandwidth > 0 && _flops > 0 ? "  of roofline" : ""));
        foreach (int rows in (int[])[1, 8, _shape.Chunk])
        {
            Steps(rows, norm, rope, vocabulary);
        }

        Console.WriteLine(_device.Info.Kernels);
    }

    private void Steps(int rows, Vector norm, RopeTable rope, Matrix vocabulary)
    {
        // Up to eight rows decode, each a sequence of its own with a full context; more are one chunk at its end.
        int sequences = rows <= 8 ? rows : 1;
        int rowsEach = rows / sequences;
        var layout = new KvLayout(_copies.Count, _shape.KvHeads, _shape.HeadSize);
        int blocks = (_shape.Context + rowsEach + layout.BlockSize - 1) / layout.BlockSize;
        using KvCache cache = _device.AllocateKvCache(layout, sequences * blocks);
        for (int block = 0; block < cache.BlockCount; block++)
        {
            _device.Scatter(cache, 0, layout.Layers, [block], new byte[layout.BlockBytesAllLayers]);
        }

        var batch = new StepBatch(rows, sequences);
        for (int s = 0; s < sequences; s++)
        {
            batch.AddSequence(new int[rowsEach], _shape.Context, [.. Enumerable.Range(s * blocks, blocks)], layout.BlockSize, rows <= 8 ? 1 : 0);
        }

        using Tensor residual = _device.AllocateTensor(rows, _shape.Width);
        using Tensor q = _device.AllocateTensor(rows, _queryColumns);
        using Tensor k = _device.AllocateTensor(rows, _kvColumns);
        using Tensor v = _device.AllocateTensor(rows, _kvColumns);
        using Tensor attention = _device.AllocateTensor(rows, _queryColumns);
        var shape = new AttentionShape(_shape.Heads, _shape.KvHeads, _shape.HeadSize);
        LayerCopy one = _copies[0];
        _device.BeginStep(batch);
        double context = _shape.Context + (rowsEach + 1) / 2.0;
        double ropeBytes = rows * (2.0 * _queryColumns * 4 + 2.0 * _kvColumns * (4 + layout.ElementBytes));
        double cacheBytes = sequences * 2.0 * _kvColumns * (_shape.Context + rowsEach) * layout.ElementBytes;
        Measure("norm, q, k, v", rows, Bytes(one.Query, one.Key, one.Value), Flops(rows, one.Query, one.Key, one.Value), copy =>
        {
            LayerCopy layer = _copies[copy];
            Projection[] projections = [new(layer.Query, null, q), new(layer.Key, null, k), new(layer.Value, null, v)];
            _device.NormedProjection(residual, norm, 1e-5f, projections);
        });
        Measure("rope, append", rows, ropeBytes, 6.0 * rows * (_queryColumns + _kvColumns), RopeAppend);
        Measure("attention", rows, cacheBytes, 4.0 * rows * _queryColumns * context, copy =>
            _device.Attention(q, cache, copy, shape, attention));
        Measure("output, residual", rows, Bytes(one.Output), Flops(rows, one.Output), copy =>
            _device.ResidualProjection(attention, _copies[copy].Output, null, residual));
        Measure("gated feed-forward", rows, Bytes(one.Gate, one.Up, one.Down), Flops(rows, one.Gate, one.Up, one.Down), copy =>
        {
            LayerCopy layer = _copies[copy];
            _device.GatedFeedForward(residual, norm, 1e-5f, layer.Gate, layer.Up, layer.Down);
        });
        if (batch.SampledRowCount > 0)
        {
            using Tensor logits = _device.AllocateTensor(rows, _shape.Vocabulary);
            int[] ids = new int[rows];
            float[] values = new float[rows];
            Measure("logits", rows, Bytes(vocabulary), Flops(rows, vocabulary), _ =>
                _device.Logits(residual, norm, 1e-5f, vocabulary, logits));
            Measure("greedy candidates", rows, 4.0 * rows * _shape.Vocabulary, 0, _ => _device.TopCandidates(logits, rows, 1, ids, values));
        }

        if (rows == 1)
        {
            MeasureOverhead(RopeAppend);
        }

        void RopeAppend(int copy) => _device.RopeAppend(q, k, v, shape, rope, null, cache, copy);
    }

    private void Measure(string name, int rows, double bytes, double flops, Action<int> operation)
    {
        // Two runs settle caches and clocks; then as many as half of the budget allows, at least five.
        double alone = Median(_shape.Seconds / 2, 5, () => Run(1, operation));

        // What a device does without being waited for, as in a step: the rest of the budget in five rounds.
        int count = Math.Clamp((int)(_shape.Seconds / 2 / 5 / alone), 1, 500);
        double inARow = count == 1 ? alone : Median(_shape.Seconds / 2, 3, () => Run(count, operation) / count);
        string roofline = "";
        if (_bandwidth > 0 && _flops > 0)
        {
            double least = Math.Max(bytes / _bandwidth, flops / _flops);
            roofline = FormattableString.Invariant($"{least / inARow,13:P1}");
        }

        string rates = FormattableString.Invariant($"{bytes / inARow / 1e9,9:F1}{flops / inARow / 1e12,9:F3}");
        Console.WriteLine(FormattableString.Invariant(
            $"{name,-22}{rows,6}{alone * 1e3,11:F3}{inARow * 1e3,13:F3}{bytes / 1e6,9:F1}{flops / 1e9,9:F2}{rates}{roofline}"));
    }

    // The smallest operation there is: one kernel that moves a few kilobytes.
    private void MeasureOverhead(Action<int> operation)
    {
        const int Launches = 200;
        double idle = Median(_shape.Seconds / 4, 5, () => Run(0, operation));
        double submitted = 0;
        double done = Median(_shape.Seconds / 2, 3, () =>
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Launches; i++)
            {
                operation(i % _copies.Count);
            }

            submitted = Stopwatch.GetElapsedTime(start).TotalSeconds;
            return submitted + Run(0, operation);
        });
        Console.WriteLine(FormattableString.Invariant(
            $"launches: {submitted / Launches * 1e6:F1} µs to submit one, {done / Launches * 1e6:F1} µs from one to the next, ")
            + FormattableString.Invariant($"{idle * 1e6:F1} µs to wait for a device that has nothing to do"));
    }

    // Seconds of so many operations and the wait for them.
    private double Run(int count, Action<int> operation)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            operation(_next = (_next + 1) % _copies.Count);
        }

        using (DeviceEvent done = _device.Record())
        {
            done.Wait();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(double budget, int least, Func<double> run)
    {
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        for (int i = -2; i < least || (i < 200 && Stopwatch.GetElapsedTime(begin).TotalSeconds < budget); i++)
        {
            double seconds = run();
            if (i >= 0)
            {
                times.Add(seconds);
            }
        }

        times.Sort();
        return times[times.Count / 2];
    }

    private static double Flops(int rows, params ReadOnlySpan<Matrix> matrices)
    {
        double flops = 0;
        foreach (Matrix matrix in matrices)
        {
            flops += 2.0 * rows * matrix.Rows * matrix.Columns;
        }

        return flops;
    }

    private static double Bytes(params ReadOnlySpan<Matrix> matrices)
    {
        double bytes = 0;
        foreach (Matrix matrix in matrices)
        {
            bytes += (double)matrix.Rows * matrix.Type.RowBytes(matrix.Columns);
        }

        return bytes;
    }
}
