using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Memory;

namespace ServingGrid.Kernels.Cpu;

/// <content>The operations of a step.</content>
public sealed unsafe partial class CpuDevice
{
    public override void BeginStep(StepBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _batch = batch;
        _attention.Invalidate();
    }

    public override void Embed(Matrix embeddings, Tensor output)
    {
        var table = (CpuMatrix)embeddings;
        CpuTensor rows = Rows(output, table.Columns);
        ReadOnlySpan<int> tokens = _batch.Tokens;
        for (int r = 0; r < tokens.Length; r++)
        {
            if ((uint)tokens[r] >= (uint)table.Rows)
            {
                throw new ArgumentException($"token {tokens[r]} is not one of {table.Rows}");
            }

            table.ReadRow(tokens[r], rows.Row(r));
        }
    }

    public override void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections)
    {
        if (projections.IsEmpty || projections.Length > _products.Products.Capacity)
        {
            throw new ArgumentException($"{projections.Length} projections: 1 to {_products.Products.Capacity} can share an input", nameof(projections));
        }

        _products.Products.Clear();
        foreach (Projection projection in projections)
        {
            Add(projection.Weights, projection.Bias, projection.Output, input.Columns);
        }

        RunProducts(input, norm, epsilon, false);
    }

    public override void RopeAppend(
        Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer)
    {
        Check(shape, cache, layer);
        var table = (CpuRopeTable)rope;
        if (2 * table.Pairs > shape.HeadSize)
        {
            throw new ArgumentException($"{2 * table.Pairs} rotated dimensions in heads of {shape.HeadSize}", nameof(rope));
        }

        foreach (int position in _batch.Positions)
        {
            if (position >= table.MaxPositions)
            {
                throw new ArgumentException($"position {position} is beyond the {table.MaxPositions} that RoPE was prepared for");
            }
        }

        if (headNorm is not null)
        {
            CheckLength(headNorm.Query, shape.HeadSize);
            CheckLength(headNorm.Key, shape.HeadSize);
        }

        CpuTensor queries = Rows(query, shape.Heads * shape.HeadSize);
        CpuTensor keys = Rows(key, shape.KvHeads * shape.HeadSize);
        CpuTensor values = Rows(value, shape.KvHeads * shape.HeadSize);
        _ropeAppend.Run(_batch, queries, keys, values, shape, table, headNorm, (CpuKvCache)cache, layer);
    }

    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output)
    {
        Check(shape, cache, layer);
        int columns = shape.Heads * shape.HeadSize;
        _attention.Run(_batch, Rows(query, columns), (CpuKvCache)cache, layer, shape, Rows(output, columns));
    }

    public override void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual)
    {
        _products.Products.Clear();
        Add(weights, bias, residual, input.Columns);
        RunProducts(input, null, 0, true);
    }

    public override void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down)
    {
        CpuTensor rows = Rows(residual, gate.Columns);
        CheckLength(norm, gate.Columns);
        if (up.Rows != gate.Rows || up.Columns != gate.Columns || down.Columns != gate.Rows || down.Rows != residual.Columns)
        {
            throw new ArgumentException($"gate {gate.Rows}×{gate.Columns}, up {up.Rows}×{up.Columns} and down {down.Rows}×{down.Columns} do not fit together");
        }

        if (_batch.RowCount > 0)
        {
            _feedForward.Run(rows, (CpuVector)norm, epsilon, _batch.RowCount, _batch.MaxRows, (CpuMatrix)gate, (CpuMatrix)up, (CpuMatrix)down);
        }
    }

    public override void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits)
    {
        if (_batch.SampledRowCount == 0)
        {
            return;
        }

        CpuTensor rows = Rows(hidden, output.Columns);
        CheckLength(norm, output.Columns);
        if (logits.Columns != output.Rows || logits.Rows < _batch.SampledRowCount)
        {
            throw new ArgumentException($"logits {logits.Rows}×{logits.Columns} do not hold {_batch.SampledRowCount} rows of {output.Rows}", nameof(logits));
        }

        _products.Products.Clear();
        _products.Products.Add((CpuMatrix)output, null, (CpuTensor)logits);
        _products.Run(rows, (CpuVector)norm, epsilon, _batch.SampledRowCount, _batch, false);
    }

    private void Add(Matrix weights, Vector? bias, Tensor output, int columns)
    {
        if (weights.Columns != columns)
        {
            throw new ArgumentException($"weights {weights.Rows}×{weights.Columns} do not fit an input of {columns} columns");
        }

        if (bias is not null)
        {
            CheckLength(bias, weights.Rows);
        }

        _products.Products.Add((CpuMatrix)weights, (CpuVector?)bias, Rows(output, weights.Rows));
    }

    private void RunProducts(Tensor input, Vector? norm, float epsilon, bool accumulate)
    {
        CpuTensor rows = Rows(input, input.Columns);
        if (norm is not null)
        {
            CheckLength(norm, input.Columns);
        }

        if (_batch.RowCount > 0)
        {
            _products.Run(rows, (CpuVector?)norm, epsilon, _batch.RowCount, null, accumulate);
        }
    }

    /// <summary>The tensor, if it has those columns and the step's rows.</summary>
    private CpuTensor Rows(Tensor tensor, int columns)
    {
        if (tensor.Columns != columns || tensor.Rows < _batch.RowCount)
        {
            throw new ArgumentException($"a tensor of {tensor.Rows}×{tensor.Columns} does not hold {_batch.RowCount} rows of {columns}");
        }

        return (CpuTensor)tensor;
    }

    private static void CheckLength(Vector vector, int length)
    {
        if (vector.Length != length)
        {
            throw new ArgumentException($"a vector of {vector.Length} where {length} are needed");
        }
    }

    private static void Check(AttentionShape shape, KvCache cache, int layer)
    {
        KvLayout layout = cache.Layout;
        if (shape.KvHeads != layout.KvHeads || shape.HeadSize != layout.HeadSize || shape.Heads % shape.KvHeads != 0)
        {
            throw new ArgumentException($"{shape} does not fit a cache of {layout.KvHeads} heads of {layout.HeadSize}", nameof(shape));
        }

        if ((uint)layer >= (uint)layout.Layers)
        {
            throw new ArgumentOutOfRangeException(nameof(layer), layer, $"the cache has {layout.Layers} layers");
        }
    }
}
