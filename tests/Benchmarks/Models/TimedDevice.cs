using System.Diagnostics;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Benchmarks.Models;

/// <summary>
/// Another device whose operations are timed, each until the device has done it; what passes between them is the caller's time.
/// </summary>
internal sealed class TimedDevice(Device inner) : Device
{
    private readonly Dictionary<string, (int Calls, long Ticks)> _times = [];
    private long _started = Stopwatch.GetTimestamp();
    private int _toFail;

    public override DeviceInfo Info => inner.Info;

    public override long FreeMemoryBytes => inner.FreeMemoryBytes;

    /// <summary>So many steps throw, from the next one on. Any thread.</summary>
    public void FailNextSteps(int steps) => Volatile.Write(ref _toFail, steps);

    public void Reset()
    {
        _times.Clear();
        _started = Stopwatch.GetTimestamp();
    }

    public void Print(TextWriter writer, string title)
    {
        double total = Stopwatch.GetElapsedTime(_started).TotalMilliseconds;
        var table = new Table(title, "calls", "µs each", "share");
        foreach ((string name, (int calls, long ticks)) in _times.OrderByDescending(entry => entry.Value.Ticks))
        {
            double milliseconds = ticks * 1000.0 / Stopwatch.Frequency;
            table.Add(name, calls, milliseconds * 1000 / calls, milliseconds / total);
        }

        table.Add("(between them)", "", "", 1 - _times.Values.Sum(time => time.Ticks) * 1000.0 / Stopwatch.Frequency / total);
        table.Print(writer);
    }

    public override string? EnterThread() => inner.EnterThread();

    public override Tensor AllocateTensor(int rows, int columns) => inner.AllocateTensor(rows, columns);

    public override Vector LoadVector(TensorData source) => inner.LoadVector(source);

    public override Matrix LoadMatrix(TensorData source) => inner.LoadMatrix(source);

    public override RopeTable LoadRope(RopeParameters rope, int maxPositions) => inner.LoadRope(rope, maxPositions);

    public override void CheckKvCache(KvLayout layout) => inner.CheckKvCache(layout);

    public override void CheckAttention(AttentionShape shape) => inner.CheckAttention(shape);

    public override KvCache AllocateKvCache(KvLayout layout, int blockCount) => inner.AllocateKvCache(layout, blockCount);

    public override void BeginStep(StepBatch batch)
    {
        if (Volatile.Read(ref _toFail) > 0)
        {
            Interlocked.Decrement(ref _toFail);
            throw new IOException("the benchmark fails this step");
        }

        long start = Stopwatch.GetTimestamp();
        inner.BeginStep(batch);
        Count(nameof(BeginStep), start);
    }

    public override void Embed(Matrix embeddings, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Embed(embeddings, output);
        Count(nameof(Embed), start);
    }

    public override void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections)
    {
        long start = Stopwatch.GetTimestamp();
        inner.NormedProjection(input, norm, epsilon, projections);
        Count(nameof(NormedProjection), start);
    }

    public override void RopeAppend(Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer)
    {
        long start = Stopwatch.GetTimestamp();
        inner.RopeAppend(query, key, value, shape, rope, headNorm, cache, layer);
        Count(nameof(RopeAppend), start);
    }

    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Attention(query, cache, layer, shape, output);
        Count(nameof(Attention), start);
    }

    public override void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ResidualProjection(input, weights, bias, residual);
        Count(nameof(ResidualProjection), start);
    }

    public override void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down)
    {
        long start = Stopwatch.GetTimestamp();
        inner.GatedFeedForward(residual, norm, epsilon, gate, up, down);
        Count(nameof(GatedFeedForward), start);
    }

    public override void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Logits(hidden, norm, epsilon, output, logits);
        Count(nameof(Logits), start);
    }

    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        long start = Stopwatch.GetTimestamp();
        inner.TopCandidates(logits, rows, count, ids, values);
        Count(nameof(TopCandidates), start);
    }

    public override void ExpectReads(Tensor tensor, ReadOnlySpan<int> rows) => inner.ExpectReads(tensor, rows);

    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination) => inner.Read(tensor, firstRow, rows, destination);

    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source) => inner.Write(tensor, firstRow, rows, source);

    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to) => inner.CopyBlocks(cache, from, to);

    public override DeviceEvent Record() => inner.Record();

    public override void Gather(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination, DeviceEvent? after) =>
        inner.Gather(cache, firstLayer, layers, blocks, destination, after);

    public override void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source) =>
        inner.Scatter(cache, firstLayer, layers, blocks, source);

    /// <summary>Nothing: the device that is timed stays the caller's.</summary>
    public override void Dispose()
    {
    }

    private void Count(string operation, long start)
    {
        using (DeviceEvent done = inner.Record())
        {
            done.Wait();
        }

        (int calls, long ticks) = _times.GetValueOrDefault(operation);
        _times[operation] = (calls + 1, ticks + Stopwatch.GetTimestamp() - start);
    }
}
