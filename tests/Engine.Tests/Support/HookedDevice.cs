using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Engine.Tests.Support;

/// <summary>A device (the reference, unless told otherwise) whose steps a test can hold up or fail, and whose logits it can spoil.</summary>
internal sealed class HookedDevice(Device? inner = null) : Device
{
    private readonly Device _inner = inner ?? new ReferenceDevice();
    private volatile Action<StepBatch>? _onStep;
    private volatile Action? _onCopy;
    private volatile Action<int>? _onExpect;

    /// <summary>Runs on the engine's thread when a step begins.</summary>
    public Action<StepBatch>? OnStep
    {
        get => _onStep;
        set => _onStep = value;
    }

    /// <summary>Runs on the copying thread, before a gather or scatter.</summary>
    public Action? OnCopy
    {
        get => _onCopy;
        set => _onCopy = value;
    }

    /// <summary>Runs when the cache is told how many blocks will be written soon.</summary>
    public Action<int>? OnExpect
    {
        get => _onExpect;
        set => _onExpect = value;
    }

    /// <summary>What <see cref="Read"/> and <see cref="TopCandidates"/> give instead of logits.</summary>
    public volatile bool SpoilLogits;

    public override DeviceInfo Info => _inner.Info;

    public override long FreeMemoryBytes => _inner.FreeMemoryBytes;

    public override string? EnterThread() => _inner.EnterThread();

    public override Tensor AllocateTensor(int rows, int columns) => _inner.AllocateTensor(rows, columns);

    public override Vector LoadVector(TensorData source) => _inner.LoadVector(source);

    public override Matrix LoadMatrix(TensorData source) => _inner.LoadMatrix(source);

    public override RopeTable LoadRope(RopeParameters rope, int maxPositions) => _inner.LoadRope(rope, maxPositions);

    public override KvCache AllocateKvCache(KvLayout layout, int blockCount) => new HookedCache(this, _inner.AllocateKvCache(layout, blockCount));

    public override void BeginStep(StepBatch batch)
    {
        OnStep?.Invoke(batch);
        _inner.BeginStep(batch);
    }

    public override void Embed(Matrix embeddings, Tensor output) => _inner.Embed(embeddings, output);

    public override void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections) =>
        _inner.NormedProjection(input, norm, epsilon, projections);

    public override void RopeAppend(Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer) =>
        _inner.RopeAppend(query, key, value, shape, rope, headNorm, Inner(cache), layer);

    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output) =>
        _inner.Attention(query, Inner(cache), layer, shape, output);

    public override void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual) =>
        _inner.ResidualProjection(input, weights, bias, residual);

    public override void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down) =>
        _inner.GatedFeedForward(residual, norm, epsilon, gate, up, down);

    public override void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits) =>
        _inner.Logits(hidden, norm, epsilon, output, logits);

    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        _inner.TopCandidates(logits, rows, count, ids, values);
        if (SpoilLogits)
        {
            values.Fill(float.NaN);
        }
    }

    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination)
    {
        _inner.Read(tensor, firstRow, rows, destination);
        if (SpoilLogits)
        {
            destination.Fill(float.NaN);
        }
    }

    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source) => _inner.Write(tensor, firstRow, rows, source);

    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to) => _inner.CopyBlocks(Inner(cache), from, to);

    public override DeviceEvent Record() => _inner.Record();

    public override void Gather(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination, DeviceEvent? after)
    {
        OnCopy?.Invoke();
        _inner.Gather(Inner(cache), firstLayer, layers, blocks, destination, after);
    }

    public override void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source)
    {
        OnCopy?.Invoke();
        _inner.Scatter(Inner(cache), firstLayer, layers, blocks, source);
    }

    public override void Dispose() => _inner.Dispose();

    private static KvCache Inner(KvCache cache) => ((HookedCache)cache).Inner;

    private sealed class HookedCache(HookedDevice device, KvCache inner) : KvCache(inner.Layout, inner.BlockCount)
    {
        public KvCache Inner { get; } = inner;

        public override void Expect(int blocks)
        {
            device.OnExpect?.Invoke(blocks);
            Inner.Expect(blocks);
        }

        public override void Dispose() => Inner.Dispose();
    }
}
