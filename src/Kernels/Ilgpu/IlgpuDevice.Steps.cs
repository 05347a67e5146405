using ILGPU;
using ServingGrid.Kernels.Ilgpu.Programs;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>The operations of a step: each a few launches on the compute stream.</summary>
public sealed unsafe partial class IlgpuDevice
{
    private StepBatch Batch => _inputs.Batch ?? throw new InvalidOperationException("BeginStep has not been called");

    /// <inheritdoc/>
    public override void BeginStep(StepBatch batch)
    {
        _rows.Forget();
        _inputs.Begin(batch);
        _attention.Invalidate();
    }

    /// <inheritdoc/>
    public override void Embed(Matrix embeddings, Tensor output)
    {
        var matrix = (IlgpuMatrix)embeddings;
        var target = (IlgpuTensor)output;
        Misuse.CheckTokens(Batch.Tokens, matrix);
        Misuse.CheckTensor(target, Batch.RowCount, matrix.Columns);
        _rows.Forget();
        _runtime.Launch(_kernels.Format(matrix.Type).Embed, _runtime.Compute, Rows(Batch.RowCount, _tuning.Threads), new EmbedArguments
        {
            Weights = matrix.Words,
            Tokens = _inputs.Tokens,
            Output = target.Quads,
            RowWords = matrix.RowWords,
            Units = matrix.Units,
            Stride = target.StrideQuads,
        });
    }

    /// <inheritdoc/>
    public override void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections)
    {
        IlgpuTensor normed = Normed((IlgpuTensor)input, norm, epsilon, Batch.RowCount, indexed: false);
        foreach (Projection projection in projections)
        {
            Multiply((IlgpuMatrix)projection.Weights, normed, projection.Bias, (IlgpuTensor)projection.Output, Batch.RowCount, accumulate: false);
        }
    }

    /// <inheritdoc/>
    public override void RopeAppend(Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer)
    {
        var kv = (IlgpuKvCache)cache;
        var table = (IlgpuRope)rope;
        CheckPositions(table);
        Misuse.CheckAttention(Batch, shape, cache, layer);
        Misuse.CheckTensor(query, Batch.RowCount, shape.Heads * shape.HeadSize);
        Misuse.CheckTensor(key, Batch.RowCount, shape.KvHeads * shape.HeadSize);
        Misuse.CheckTensor(value, Batch.RowCount, shape.KvHeads * shape.HeadSize);
        if (2 * table.Pairs > shape.HeadSize)
        {
            throw new ArgumentException($"{2 * table.Pairs} rotated dimensions in heads of {shape.HeadSize}", nameof(rope));
        }

        if (headNorm is not null)
        {
            Misuse.CheckLength(headNorm.Query, shape.HeadSize);
            Misuse.CheckLength(headNorm.Key, shape.HeadSize);
        }

        _rows.Forget();
        _runtime.Launch(kv.Kernels.Rope, _runtime.Compute, new KernelConfig(new Index3D(shape.Heads + 2 * shape.KvHeads, Batch.RowCount, 1), new Index3D(Lanes.Count, 1, 1)), new RopeArguments
        {
            Query = ((IlgpuTensor)query).Floats,
            Key = ((IlgpuTensor)key).Floats,
            Value = ((IlgpuTensor)value).Floats,
            Rotations = table.Rotations,
            QueryNorm = (headNorm?.Query as IlgpuVector)?.Floats ?? _nothing.View,
            KeyNorm = (headNorm?.Key as IlgpuVector)?.Floats ?? _nothing.View,
            Positions = _inputs.Positions,
            RowBlocks = _inputs.RowBlocks,
            BlockTables = _inputs.BlockTables,
            Cache = kv.Layer(layer),
            QueryStride = ((IlgpuTensor)query).Stride,
            KvStride = ((IlgpuTensor)key).Stride,
            Heads = shape.Heads,
            Pairs = table.Pairs,
            Interleaved = table.Interleaved ? 1 : 0,
            HasNorm = headNorm is null ? 0 : 1,
            Epsilon = headNorm?.Epsilon ?? 0,
        });
    }

    /// <inheritdoc/>
    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output)
    {
        var kv = (IlgpuKvCache)cache;
        Misuse.CheckAttention(Batch, shape, cache, layer);
        CheckAttention(shape);
        Misuse.CheckTensor(query, Batch.RowCount, shape.Heads * shape.HeadSize);
        Misuse.CheckTensor(output, Batch.RowCount, shape.Heads * shape.HeadSize);
        _rows.Forget();
        _attention.Prepare(Batch, shape);
        var arguments = new AttentionArguments
        {
            Query = ((IlgpuTensor)query).Floats,
            Output = ((IlgpuTensor)output).Floats,
            Partials = _attention.Partials,
            Positions = _inputs.Positions,
            RowBlocks = _inputs.RowBlocks,
            BlockTables = _inputs.BlockTables,
            Items = _attention.Items,
            PartialRows = _attention.PartialRows,
            Cache = kv.Layer(layer),
            QueryStride = ((IlgpuTensor)query).Stride,
            OutputStride = ((IlgpuTensor)output).Stride,
            Heads = shape.Heads,
            MaxPieces = _attention.MaxPieces,
            Scale = 1f / MathF.Sqrt(shape.HeadSize),
        };
        Attend(0, _attention.SingleItems, _attention.SingleWarps);
        Attend(_attention.SingleItems, _attention.TileItems, _attention.TileWarps);
        if (_attention.SplitRows > 0)
        {
            _runtime.Launch(_kernels.Combine, _runtime.Compute, new KernelConfig(new Index3D(shape.Heads, _attention.SplitRows, 1), new Index3D(Lanes.Count, 1, 1)), arguments);
        }

        void Attend(int firstItem, int items, int warps)
        {
            if (items > 0)
            {
                arguments.FirstItem = firstItem;
                _runtime.Launch(kv.Kernels.Attend, _runtime.Compute, _runtime.Shape<Quad>(new Index3D(items, shape.KvHeads, 1), new Index3D(Lanes.Count, warps, 1), warps * AttentionKernels.SharedQuads(shape.HeadSize)), arguments);
            }
        }
    }

    /// <inheritdoc/>
    public override void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual) =>
        Multiply((IlgpuMatrix)weights, (IlgpuTensor)input, bias, (IlgpuTensor)residual, Batch.RowCount, accumulate: true);

    /// <inheritdoc/>
    public override void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down)
    {
        int rows = Batch.RowCount;
        Misuse.CheckFeedForward(residual, gate, up, down);
        IlgpuTensor normed = Normed((IlgpuTensor)residual, norm, epsilon, rows, indexed: false);
        IlgpuTensor gated = _scratch.Rent(Scratch.Gate, Batch.MaxRows, gate.Rows);
        IlgpuTensor upper = _scratch.Rent(Scratch.Up, Batch.MaxRows, up.Rows);
        Multiply((IlgpuMatrix)gate, normed, null, gated, rows, accumulate: false);
        Multiply((IlgpuMatrix)up, normed, null, upper, rows, accumulate: false);
        int quads = rows * gated.StrideQuads;
        _runtime.Launch(_kernels.SwiGlu, _runtime.Compute, Rows((quads + _tuning.Threads - 1) / _tuning.Threads, _tuning.Threads), new SwiGluArguments { Gate = gated.Quads, Up = upper.Quads, Quads = quads });
        Multiply((IlgpuMatrix)down, gated, null, (IlgpuTensor)residual, rows, accumulate: true);
    }

    /// <inheritdoc/>
    public override void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits)
    {
        if (Batch.SampledRowCount > 0)
        {
            IlgpuTensor normed = Normed((IlgpuTensor)hidden, norm, epsilon, Batch.SampledRowCount, indexed: true);
            Multiply((IlgpuMatrix)output, normed, null, (IlgpuTensor)logits, Batch.SampledRowCount, accumulate: false);
        }
    }

    /// <inheritdoc/>
    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        Misuse.CheckCandidates(logits, rows, count, ids.Length, values.Length);
        if (rows > 0 && count > 0)
        {
            _top.Select((IlgpuTensor)logits, rows, count, ids, values);
            WaitForSteps();
        }
    }

    private static KernelConfig Rows(int groups, int threads) => new(new Index3D(groups, 1, 1), new Index3D(threads, 1, 1));

    private IlgpuTensor Normed(IlgpuTensor input, Vector norm, float epsilon, int rows, bool indexed)
    {
        Misuse.CheckTensor(input, Batch.RowCount, input.Columns);
        Misuse.CheckLength(norm, input.Columns);
        IlgpuTensor output = _scratch.Rent(Scratch.Normed, Batch.MaxRows, input.Columns);
        _runtime.Launch(_kernels.Norm, _runtime.Compute, Rows(rows, _tuning.NormThreads), new NormArguments
        {
            Input = input.Quads,
            Norm = ((IlgpuVector)norm).Quads,
            Output = output.Quads,
            RowIndices = _inputs.SampledRows,
            Columns = input.Columns,
            Stride = input.StrideQuads,
            Indexed = indexed ? 1 : 0,
            Epsilon = epsilon,
        });
        return output;
    }

    private void Multiply(IlgpuMatrix weights, IlgpuTensor input, Vector? bias, IlgpuTensor output, int rows, bool accumulate)
    {
        Misuse.CheckTensor(input, rows, weights.Columns);
        Misuse.CheckTensor(output, rows, weights.Rows);
        if (bias is not null)
        {
            Misuse.CheckLength(bias, weights.Rows);
        }

        _rows.Forget();
        FormatKernels kernels = _kernels.Format(weights.Type);
        bool tile = rows >= _tuning.TileFromRows;
        int perWarp = tile ? MatrixKernels.TileOutputs : _tuning.OutputsPerWarp;
        int partials = tile ? Lanes.Count : _tuning.OutputsPerWarp;
        int perGroup = _tuning.Warps * perWarp;
        KernelConfig shape = _runtime.Shape<float>(
            new Index3D((weights.Rows + perGroup - 1) / perGroup, tile ? (rows + MatrixKernels.TileRows - 1) / MatrixKernels.TileRows : rows, 1),
            new Index3D(Lanes.Count, _tuning.Warps, 1),
            MatrixKernels.PartialFloats(_tuning.Warps, partials));
        _runtime.Launch(tile ? kernels.Tile : kernels.Vector, _runtime.Compute, shape, new MatrixArguments
        {
            Weights = weights.Words,
            Input = input.Quads,
            Bias = (bias as IlgpuVector)?.Floats ?? _nothing.View,
            Output = output.Floats,
            WeightRows = weights.Rows,
            RowWords = weights.RowWords,
            Units = weights.Units,
            InputRows = rows,
            InputStride = input.StrideQuads,
            OutputStride = output.Stride,
            HasBias = bias is null ? 0 : 1,
            Accumulate = accumulate ? 1 : 0,
            OutputsPerWarp = _tuning.OutputsPerWarp,
        });
    }

    private void CheckPositions(IlgpuRope table)
    {
        foreach (SequenceRows sequence in Batch.Sequences)
        {
            if (sequence.FirstPosition + sequence.RowCount > table.Positions)
            {
                throw new ArgumentException($"position {sequence.FirstPosition + sequence.RowCount - 1} is beyond the {table.Positions} that RoPE was prepared for");
            }
        }
    }
}
