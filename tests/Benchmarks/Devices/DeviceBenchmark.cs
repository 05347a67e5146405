using System.Diagnostics;
using System.Globalization;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Benchmarks.Devices;

/// <summary>
/// Each operation of a device at the shapes of one layer: time, bytes that must move at least, arithmetic, and how close that is to
/// the faster of the two limits that memory and arithmetic set. Times are medians and include what it costs to submit the work.
/// </summary>
internal sealed class DeviceBenchmark : IDisposable
{
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(1);

    private readonly DeviceShape _shape;
    private readonly Device _device;
    private readonly int _queryColumns;
    private readonly int _kvColumns;

    private DeviceBenchmark(DeviceShape shape, Device device)
    {
        _shape = shape;
        _device = device;
        _queryColumns = shape.Heads * shape.HeadSize;
        _kvColumns = shape.KvHeads * shape.HeadSize;
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

    public void Dispose() => _device.Dispose();

    private void Run()
    {
        Console.WriteLine($"{_device.Info.Id}: {_device.Info.Name}; {_shape.Type}, width {_shape.Width}, feed-forward {_shape.FeedForward}, {_shape.Heads} heads over {_shape.KvHeads} of {_shape.HeadSize}, vocabulary {_shape.Vocabulary}");
        Console.WriteLine($"{"operation",-28}{"rows",6}{"ms",10}{"MB",10}{"GFLOP",10}{"GB/s",10}{"TFLOP/s",10}{(_shape.Bandwidth > 0 && _shape.Tflops > 0 ? "  of roofline" : "")}");
        using Matrix query = Weights(_queryColumns, _shape.Width);
        using Matrix key = Weights(_kvColumns, _shape.Width);
        using Matrix value = Weights(_kvColumns, _shape.Width);
        using Matrix output = Weights(_shape.Width, _queryColumns);
        using Matrix gate = Weights(_shape.FeedForward, _shape.Width);
        using Matrix up = Weights(_shape.FeedForward, _shape.Width);
        using Matrix down = Weights(_shape.Width, _shape.FeedForward);
        using Matrix vocabulary = Weights(_shape.Vocabulary, _shape.Width);
        using Vector norm = _device.LoadVector(TensorData.FromFloats("norm", 1, _shape.Width, Enumerable.Repeat(1f, _shape.Width).ToArray()));
        int[] pairs = [.. Enumerable.Range(0, _shape.HeadSize / 2)];
        using RopeTable rope = _device.LoadRope(new RopeParameters(RopeStyle.Halves, _shape.HeadSize, [.. pairs.Select(i => MathF.Pow(10000, -2f * i / _shape.HeadSize))]), _shape.Context + _shape.Chunk);
        foreach (int rows in (int[])[1, 8, _shape.Chunk])
        {
            Steps(rows, norm, rope, query, key, value, output, gate, up, down, vocabulary);
        }

        Console.WriteLine(_device.Info.Kernels);
    }

    private void Steps(int rows, Vector norm, RopeTable rope, Matrix query, Matrix key, Matrix value, Matrix output, Matrix gate, Matrix up, Matrix down, Matrix vocabulary)
    {
        // Up to eight rows decode, each a sequence of its own with a full context; more are one chunk at its end.
        int sequences = rows <= 8 ? rows : 1;
        int rowsEach = rows / sequences;
        var layout = new KvLayout(1, _shape.KvHeads, _shape.HeadSize);
        int blocks = (_shape.Context + rowsEach + layout.BlockSize - 1) / layout.BlockSize;
        using KvCache cache = _device.AllocateKvCache(layout, sequences * blocks);
        for (int block = 0; block < cache.BlockCount; block++)
        {
            _device.Scatter(cache, 0, 1, [block], new byte[layout.BlockBytes]);
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
        _device.BeginStep(batch);
        double context = _shape.Context + (rowsEach + 1) / 2.0;
        Measure("norm, q, k, v", rows, Bytes(query, key, value), Flops(rows, query, key, value), () => _device.NormedProjection(residual, norm, 1e-5f, [new(query, null, q), new(key, null, k), new(value, null, v)]));
        Measure("rope, append", rows, rows * (2.0 * _queryColumns * 4 + 2.0 * _kvColumns * (4 + layout.ElementBytes)), 6.0 * rows * (_queryColumns + _kvColumns), () => _device.RopeAppend(q, k, v, shape, rope, null, cache, 0));
        Measure("attention", rows, sequences * 2.0 * _kvColumns * (_shape.Context + rowsEach) * layout.ElementBytes, 4.0 * rows * _queryColumns * context, () => _device.Attention(q, cache, 0, shape, attention));
        Measure("output, residual", rows, Bytes(output), Flops(rows, output), () => _device.ResidualProjection(attention, output, null, residual));
        Measure("gated feed-forward", rows, Bytes(gate, up, down), Flops(rows, gate, up, down), () => _device.GatedFeedForward(residual, norm, 1e-5f, gate, up, down));
        if (batch.SampledRowCount > 0)
        {
            using Tensor logits = _device.AllocateTensor(rows, _shape.Vocabulary);
            int[] ids = new int[rows];
            float[] values = new float[rows];
            Measure("logits", rows, Bytes(vocabulary), Flops(rows, vocabulary), () => _device.Logits(residual, norm, 1e-5f, vocabulary, logits));
            Measure("greedy candidates", rows, 4.0 * rows * _shape.Vocabulary, 0, () => _device.TopCandidates(logits, rows, 1, ids, values));
        }
    }

    private void Measure(string name, int rows, double bytes, double flops, Action operation)
    {
        // Two runs settle caches and clocks; then as many as the budget allows, at least five.
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        for (int run = -2; run < 5 || (run < 200 && Stopwatch.GetElapsedTime(begin) < Budget); run++)
        {
            long start = Stopwatch.GetTimestamp();
            operation();
            using (DeviceEvent done = _device.Record())
            {
                done.Wait();
            }

            if (run >= 0)
            {
                times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }

        times.Sort();
        double seconds = times[times.Count / 2];
        string roofline = "";
        if (_shape.Bandwidth > 0 && _shape.Tflops > 0)
        {
            double least = Math.Max(bytes / (_shape.Bandwidth * 1e9), flops / (_shape.Tflops * 1e12));
            roofline = string.Create(CultureInfo.InvariantCulture, $"{least / seconds,13:P1}");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-28}{rows,6}{seconds * 1e3,10:F3}{bytes / 1e6,10:F1}{flops / 1e9,10:F2}{bytes / seconds / 1e9,10:F1}{flops / seconds / 1e12,10:F3}{roofline}"));
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

    // Zeros: the kernels' time does not depend on values, and any bytes of zero are valid blocks of any type.
    private Matrix Weights(int rows, int columns) => _device.LoadMatrix(TensorData.FromBytes("weights", _shape.Type, rows, columns, new byte[checked(rows * _shape.Type.RowBytes(columns))]));
}
