namespace ServingGrid.Kernels;

/// <summary>The checks of arguments that devices share, so that misuse is refused alike before memory is touched.</summary>
internal static class Misuse
{
    /// <summary>The tensor has those columns and at least those rows.</summary>
    public static void CheckTensor(Tensor tensor, int rows, int columns)
    {
        if (tensor.Columns != columns || tensor.Rows < rows)
        {
            throw new ArgumentException($"a tensor of {tensor.Rows}×{tensor.Columns} does not hold {rows} rows of {columns}", nameof(tensor));
        }
    }

    /// <summary>The rows are the tensor's, and that many values suffice for them.</summary>
    public static void CheckRows(Tensor tensor, int firstRow, int rows, int values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)firstRow + rows, tensor.Rows, nameof(rows));
        if (values < (long)rows * tensor.Columns)
        {
            throw new ArgumentException($"{rows} rows of {tensor.Columns} do not fit {values} values", nameof(values));
        }
    }

    public static void CheckLength(Vector vector, int length)
    {
        if (vector.Length != length)
        {
            throw new ArgumentException($"a vector of {vector.Length} where {length} are needed", nameof(vector));
        }
    }

    /// <summary>Every token is a row of the embedding table.</summary>
    public static void CheckTokens(ReadOnlySpan<int> tokens, Matrix table)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)table.Rows)
            {
                throw new ArgumentException($"token {token} is not one of {table.Rows}", nameof(tokens));
            }
        }
    }

    /// <summary>The heads are those of the cache, and the layer and the blocks of the step are its own. The same few comparisons whatever the step's size.</summary>
    public static void CheckAttention(StepBatch batch, AttentionShape shape, KvCache cache, int layer)
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

        if (batch.RowCount > 0 && batch.BlockSize != layout.BlockSize)
        {
            throw new ArgumentException($"block tables for blocks of {batch.BlockSize} slots do not fit a cache with blocks of {layout.BlockSize}", nameof(batch));
        }

        if (batch.RowCount > 0 && batch.HighestBlock >= (uint)cache.BlockCount)
        {
            throw new ArgumentOutOfRangeException(nameof(batch), (int)batch.HighestBlock, $"the cache has {cache.BlockCount} blocks");
        }
    }

    /// <summary>Gate, up and down of a feed-forward network fit each other and the residual stream.</summary>
    public static void CheckFeedForward(Tensor residual, Matrix gate, Matrix up, Matrix down)
    {
        if (up.Rows != gate.Rows || up.Columns != gate.Columns || down.Columns != gate.Rows || down.Rows != residual.Columns)
        {
            throw new ArgumentException($"gate {gate.Rows}×{gate.Columns}, up {up.Rows}×{up.Columns} and down {down.Rows}×{down.Columns} do not fit together");
        }
    }

    /// <summary>The rows are the tensor's, each has that many candidates, and there is room for all of them.</summary>
    public static void CheckCandidates(Tensor logits, int rows, int count, int ids, int values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, logits.Rows);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, logits.Columns);
        if (Math.Min(ids, values) < (long)rows * count)
        {
            throw new ArgumentException($"{rows} rows of {count} candidates do not fit into {ids} ids and {values} values", nameof(count));
        }
    }

    /// <summary>As many blocks go as come, all of them the cache's.</summary>
    public static void CheckCopy(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to)
    {
        if (from.Length != to.Length)
        {
            throw new ArgumentException($"{from.Length} blocks cannot be copied to {to.Length}", nameof(to));
        }

        CheckBlocks(cache, from);
        CheckBlocks(cache, to);
    }

    /// <summary>Layers and blocks are the cache's, and that many bytes suffice for them.</summary>
    public static void CheckTransfer(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstLayer);
        ArgumentOutOfRangeException.ThrowIfNegative(layers);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)firstLayer + layers, cache.Layout.Layers, nameof(layers));
        if (bytes < (long)layers * blocks.Length * cache.Layout.BlockBytes)
        {
            throw new ArgumentException($"{layers} layers of {blocks.Length} blocks do not fit {bytes} bytes", nameof(bytes));
        }

        CheckBlocks(cache, blocks);
    }

    private static void CheckBlocks(KvCache cache, ReadOnlySpan<int> blocks)
    {
        foreach (int block in blocks)
        {
            if ((uint)block >= (uint)cache.BlockCount)
            {
                throw new ArgumentOutOfRangeException(nameof(blocks), block, $"the cache has {cache.BlockCount} blocks");
            }
        }
    }
}
