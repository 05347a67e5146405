using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Engine.Tests.Support;

/// <summary>What an engine asks of its device in a step.</summary>
public enum DeviceOperation
{
    BeginStep,
    Embed,
    NormedProjection,
    RopeAppend,
    Attention,
    ResidualProjection,
    GatedFeedForward,
    Logits,
    TopCandidates,
    Read,
    Record,
}

/// <summary>
/// A device (the reference, unless told otherwise) whose steps a test can hold up or fail, and whose logits and cache it can spoil.
/// </summary>
internal sealed class HookedDevice(Device? inner = null) : Device
{
    private readonly Device _inner = inner ?? new ReferenceDevice();
    private volatile Action<StepBatch>? _onStep;
    private volatile Action? _onCopy;
    private volatile Action<int>? _onExpect;
    private volatile Action<DeviceOperation, StepBatch>? _onOperation;
    private volatile Func<StepBatch, int, bool>? _spoilLogits;
    private volatile Action<StepBatch, KvCache, int>? _onAppended;
    private StepBatch _batch = new(1, 1);

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

    /// <summary>Runs on the engine's thread before each operation of a step.</summary>
    public Action<DeviceOperation, StepBatch>? OnOperation
    {
        get => _onOperation;
        set => _onOperation = value;
    }

    /// <summary>Which rows of a step's logits are NaN: row i is that of <see cref="StepBatch.SampledRows"/>[i].</summary>
    public Func<StepBatch, int, bool>? SpoilLogits
    {
        get => _spoilLogits;
        set => _spoilLogits = value;
    }

    /// <summary>Runs when keys and values of a layer were written: see <see cref="SpoilBlock"/>.</summary>
    public Action<StepBatch, KvCache, int>? OnAppended
    {
        get => _onAppended;
        set => _onAppended = value;
    }

    /// <summary>Positions that RoPE was prepared for.</summary>
    public int RopePositions { get; private set; }

    /// <summary>The engine's cache.</summary>
    public KvCache? Cache { get; private set; }

    /// <summary>Fills a block of a layer with NaN, whatever the cache's type.</summary>
    public void SpoilBlock(KvCache cache, int layer, int block)
    {
        byte[] rubbish = new byte[cache.Layout.BlockBytes];
        Array.Fill(rubbish, (byte)0xFF);
        _inner.Scatter(cache, layer, 1, [block], rubbish);
    }

    public override DeviceInfo Info => _inner.Info;

    public override long FreeMemoryBytes => _inner.FreeMemoryBytes;

    public override string? EnterThread() => _inner.EnterThread();

    public override Tensor AllocateTensor(int rows, int columns) => _inner.AllocateTensor(rows, columns);

    public override Vector LoadVector(TensorData source) => _inner.LoadVector(source);

    public override Matrix LoadMatrix(TensorData source) => _inner.LoadMatrix(source);

    public override RopeTable LoadRope(RopeParameters rope, int maxPositions)
    {
        RopePositions = maxPositions;
        return _inner.LoadRope(rope, maxPositions);
    }

    public override KvCache AllocateKvCache(KvLayout layout, int blockCount)
    {
        Cache = _inner.AllocateKvCache(layout, blockCount);
        return new HookedCache(this, Cache);
    }

    public override void BeginStep(StepBatch batch)
    {
        _batch = batch;
        OnStep?.Invoke(batch);
        Before(DeviceOperation.BeginStep);
        _inner.BeginStep(batch);
    }

    public override void Embed(Matrix embeddings, Tensor output)
    {
        Before(DeviceOperation.Embed);
        _inner.Embed(embeddings, output);
    }

    public override void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections)
    {
        Before(DeviceOperation.NormedProjection);
        _inner.NormedProjection(input, norm, epsilon, projections);
    }

    public override void RopeAppend(
        Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer)
    {
        Before(DeviceOperation.RopeAppend);
        _inner.RopeAppend(query, key, value, shape, rope, headNorm, Inner(cache), layer);
        OnAppended?.Invoke(_batch, Inner(cache), layer);
    }

    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output)
    {
        Before(DeviceOperation.Attention);
        _inner.Attention(query, Inner(cache), layer, shape, output);
    }

    public override void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual)
    {
        Before(DeviceOperation.ResidualProjection);
        _inner.ResidualProjection(input, weights, bias, residual);
    }

    public override void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down)
    {
        Before(DeviceOperation.GatedFeedForward);
        _inner.GatedFeedForward(residual, norm, epsilon, gate, up, down);
    }

    public override void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits)
    {
        Before(DeviceOperation.Logits);
        _inner.Logits(hidden, norm, epsilon, output, logits);
        for (int row = 0; row < _batch.SampledRowCount; row++)
        {
            if (SpoilLogits?.Invoke(_batch, row) == true)
            {
                float[] values = new float[logits.Columns];
                _inner.Read(logits, row, 1, values);
                values[values.Length / 2] = float.NaN;
                _inner.Write(logits, row, 1, values);
            }
        }
    }

    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        Before(DeviceOperation.TopCandidates);
        _inner.TopCandidates(logits, rows, count, ids, values);
    }

    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination)
    {
        Before(DeviceOperation.Read);
        _inner.Read(tensor, firstRow, rows, destination);
    }

    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source) => _inner.Write(tensor, firstRow, rows, source);

    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to) => _inner.CopyBlocks(Inner(cache), from, to);

    public override DeviceEvent Record()
    {
        Before(DeviceOperation.Record);
        return _inner.Record();
    }

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

    private void Before(DeviceOperation operation) => OnOperation?.Invoke(operation, _batch);

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
