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
        Misuse.CheckTokens(tokens, table);
        for (int r = 0; r < tokens.Length; r++)
        {
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
        Misuse.CheckAttention(_batch, shape, cache, layer);
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
            Misuse.CheckLength(headNorm.Query, shape.HeadSize);
            Misuse.CheckLength(headNorm.Key, shape.HeadSize);
        }

        CpuTensor queries = Rows(query, shape.Heads * shape.HeadSize);
        CpuTensor keys = Rows(key, shape.KvHeads * shape.HeadSize);
        CpuTensor values = Rows(value, shape.KvHeads * shape.HeadSize);
        _ropeAppend.Run(_batch, queries, keys, values, shape, table, headNorm, (CpuKvCache)cache, layer);
    }

    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output)
    {
        Misuse.CheckAttention(_batch, shape, cache, layer);
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
        Misuse.CheckLength(norm, gate.Columns);
        Misuse.CheckFeedForward(residual, gate, up, down);

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
        Misuse.CheckLength(norm, output.Columns);
        Misuse.CheckTensor(logits, _batch.SampledRowCount, output.Rows);
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
            Misuse.CheckLength(bias, weights.Rows);
        }

        _products.Products.Add((CpuMatrix)weights, (CpuVector?)bias, Rows(output, weights.Rows));
    }

    private void RunProducts(Tensor input, Vector? norm, float epsilon, bool accumulate)
    {
        CpuTensor rows = Rows(input, input.Columns);
        if (norm is not null)
        {
            Misuse.CheckLength(norm, input.Columns);
        }

        if (_batch.RowCount > 0)
        {
            _products.Run(rows, (CpuVector?)norm, epsilon, _batch.RowCount, null, accumulate);
        }
    }

    /// <summary>The tensor, if it has those columns and the step's rows.</summary>
    private CpuTensor Rows(Tensor tensor, int columns)
    {
        Misuse.CheckTensor(tensor, _batch.RowCount, columns);
        return (CpuTensor)tensor;
    }
}
