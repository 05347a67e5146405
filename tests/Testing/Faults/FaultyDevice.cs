using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Testing.Faults;

/// <summary>A device that computes what another one does, until a test gives it a fault.</summary>
public sealed class FaultyDevice(Device inner) : Device
{
    private readonly Lock _gate = new();
    private Fault? _fault;
    private int _struck;
    private StepBatch? _batch;
    private Tensor? _logits;

    /// <summary>The fault from the next operation on; null: none.</summary>
    public Fault? Fault
    {
        get
        {
            lock (_gate)
            {
                return _fault;
            }
        }

        set
        {
            lock (_gate)
            {
                (_fault, _struck) = (value, 0);
            }
        }
    }

    /// <summary>How often the fault has struck.</summary>
    public int Struck
    {
        get
        {
            lock (_gate)
            {
                return _struck;
            }
        }
    }

    public bool IsDisposed { get; private set; }

    public override DeviceInfo Info => inner.Info;

    public override long FreeMemoryBytes => inner.FreeMemoryBytes;

    public override string? EnterThread() => inner.EnterThread();

    public override Tensor AllocateTensor(int rows, int columns) => inner.AllocateTensor(rows, columns);

    public override Vector LoadVector(TensorData source) => inner.LoadVector(source);

    public override Matrix LoadMatrix(TensorData source) => inner.LoadMatrix(source);

    public override RopeTable LoadRope(RopeParameters rope, int maxPositions) => inner.LoadRope(rope, maxPositions);

    public override void CheckKvCache(KvLayout layout) => inner.CheckKvCache(layout);

    public override KvCache AllocateKvCache(KvLayout layout, int blockCount) => inner.AllocateKvCache(layout, blockCount);

    public override void BeginStep(StepBatch batch)
    {
        _batch = batch;
        Strike(FaultStage.BeginStep);
        inner.BeginStep(batch);
    }

    public override void Embed(Matrix embeddings, Tensor output)
    {
        Strike(FaultStage.Embed);
        inner.Embed(embeddings, output);
        Spoil(FaultStage.Embed, output);
    }

    public override void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections)
    {
        Strike(FaultStage.Projection);
        inner.NormedProjection(input, norm, epsilon, projections);
        Spoil(FaultStage.Projection, projections[0].Output);
    }

    public override void RopeAppend(Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer)
    {
        Strike(FaultStage.Keys);
        Spoil(FaultStage.Keys, key);
        inner.RopeAppend(query, key, value, shape, rope, headNorm, cache, layer);
    }

    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output)
    {
        Strike(FaultStage.Attention);
        inner.Attention(query, cache, layer, shape, output);
        Spoil(FaultStage.Attention, output);
    }

    public override void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual)
    {
        Strike(FaultStage.Output);
        inner.ResidualProjection(input, weights, bias, residual);
        Spoil(FaultStage.Output, residual);
    }

    public override void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down)
    {
        Strike(FaultStage.FeedForward);
        inner.GatedFeedForward(residual, norm, epsilon, gate, up, down);
        Spoil(FaultStage.FeedForward, residual);
    }

    public override void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits)
    {
        _logits = logits;
        Strike(FaultStage.Logits);
        inner.Logits(hidden, norm, epsilon, output, logits);
        for (int i = 0; i < _batch!.SampledRowCount; i++)
        {
            if (Hits(FaultStage.Logits, spoils: true, _batch.SampledRows[i]))
            {
                Overwrite(logits, i);
            }
        }
    }

    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        for (int i = 0; i < rows; i++)
        {
            Strike(FaultStage.Sampling, _batch!.SampledRows[i]);
        }

        inner.TopCandidates(logits, rows, count, ids, values);
        for (int i = 0; i < rows; i++)
        {
            if (Hits(FaultStage.Sampling, spoils: true, _batch!.SampledRows[i]))
            {
                values.Slice(i * count, count).Fill(float.NaN);
            }
        }
    }

    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination)
    {
        bool sampled = tensor == _logits && rows == 1 && firstRow < _batch!.SampledRowCount;
        if (sampled)
        {
            Strike(FaultStage.Sampling, _batch!.SampledRows[firstRow]);
        }

        inner.Read(tensor, firstRow, rows, destination);
        if (sampled && Hits(FaultStage.Sampling, spoils: true, _batch!.SampledRows[firstRow]))
        {
            destination.Fill(float.NaN);
        }
    }

    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source) => inner.Write(tensor, firstRow, rows, source);

    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to) => inner.CopyBlocks(cache, from, to);

    public override DeviceEvent Record() => inner.Record();

    public override void Gather(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination, DeviceEvent? after) =>
        inner.Gather(cache, firstLayer, layers, blocks, destination, after);

    public override void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source) =>
        inner.Scatter(cache, firstLayer, layers, blocks, source);

    public override void Dispose()
    {
        IsDisposed = true;
        inner.Dispose();
    }

    /// <summary>Throws, if that is the fault and the step, or the row, has the token.</summary>
    private void Strike(FaultStage stage, int? row = null)
    {
        if (Hits(stage, spoils: false, row))
        {
            throw Fault!.Failure();
        }
    }

    private void Spoil(FaultStage stage, Tensor rows)
    {
        for (int row = 0; row < _batch!.RowCount; row++)
        {
            if (Hits(stage, spoils: true, row))
            {
                Overwrite(rows, row);
            }
        }
    }

    private void Overwrite(Tensor tensor, int row)
    {
        float[] spoilt = new float[tensor.Columns];
        spoilt.AsSpan().Fill(float.NaN);
        inner.Write(tensor, row, 1, spoilt);
    }

    private bool Hits(FaultStage stage, bool spoils, int? row)
    {
        lock (_gate)
        {
            if (_fault is not { } fault || fault.Stage != stage || fault.Spoils != spoils || _struck >= fault.Times)
            {
                return false;
            }

            bool hits = fault.Token is not { } token || (row is { } one ? _batch!.Tokens[one] == token : _batch!.Tokens.Contains(token));
            _struck += hits ? 1 : 0;
            return hits;
        }
    }
}
