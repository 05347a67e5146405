using ServingGrid.Kernels.Cpu.Memory;

namespace ServingGrid.Kernels.Cpu;

/// <content>Copies between device and host, and of KV blocks.</content>
public sealed unsafe partial class CpuDevice
{
    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, logits.Rows);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, logits.Columns);
        if (ids.Length < rows * count || values.Length < rows * count)
        {
            throw new ArgumentException($"{rows} rows of {count} candidates do not fit into {ids.Length} ids and {values.Length} values");
        }

        if (rows > 0 && count > 0)
        {
            _top.Run((CpuTensor)logits, rows, count, ids, values);
        }
    }

    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination)
    {
        CheckRows(tensor, firstRow, rows, destination.Length);
        for (int r = 0; r < rows; r++)
        {
            new ReadOnlySpan<float>(((CpuTensor)tensor).Row(firstRow + r), tensor.Columns).CopyTo(destination[(r * tensor.Columns)..]);
        }
    }

    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source)
    {
        CheckRows(tensor, firstRow, rows, source.Length);
        for (int r = 0; r < rows; r++)
        {
            source.Slice(r * tensor.Columns, tensor.Columns).CopyTo(new Span<float>(((CpuTensor)tensor).Row(firstRow + r), tensor.Columns));
        }
    }

    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to)
    {
        if (from.Length != to.Length)
        {
            throw new ArgumentException($"{from.Length} blocks cannot be copied to {to.Length}", nameof(to));
        }

        var blocks = (CpuKvCache)cache;
        int bytes = cache.Layout.BlockBytes;
        for (int i = 0; i < from.Length; i++)
        {
            CheckBlock(cache, from[i]);
            CheckBlock(cache, to[i]);
            for (int layer = 0; layer < cache.Layout.Layers; layer++)
            {
                Buffer.MemoryCopy(blocks.Block(layer, from[i]), blocks.Block(layer, to[i]), bytes, bytes);
            }
        }
    }

    /// <summary>Complete at once: operations are done when they return.</summary>
    public override DeviceEvent Record() => CompletedEvent.Instance;

    public override void Gather(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination, DeviceEvent? after)
    {
        CheckRun(cache, firstLayer, layers, blocks.Length, destination.Length);
        after?.Wait();
        int bytes = cache.Layout.BlockBytes;
        for (int layer = 0; layer < layers; layer++)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                CheckBlock(cache, blocks[i]);
                new ReadOnlySpan<byte>(((CpuKvCache)cache).Block(firstLayer + layer, blocks[i]), bytes)
                    .CopyTo(destination.Slice(checked((layer * blocks.Length + i) * bytes), bytes));
            }
        }
    }

    public override void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source)
    {
        CheckRun(cache, firstLayer, layers, blocks.Length, source.Length);
        int bytes = cache.Layout.BlockBytes;
        for (int layer = 0; layer < layers; layer++)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                CheckBlock(cache, blocks[i]);
                source.Slice(checked((layer * blocks.Length + i) * bytes), bytes)
                    .CopyTo(new Span<byte>(((CpuKvCache)cache).Block(firstLayer + layer, blocks[i]), bytes));
            }
        }
    }

    private static void CheckRows(Tensor tensor, int firstRow, int rows, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)firstRow + rows, tensor.Rows, nameof(rows));
        if (length < (long)rows * tensor.Columns)
        {
            throw new ArgumentException($"{rows} rows of {tensor.Columns} do not fit {length} values");
        }
    }

    private static void CheckBlock(KvCache cache, int block)
    {
        if ((uint)block >= (uint)cache.BlockCount)
        {
            throw new ArgumentOutOfRangeException(nameof(block), block, $"the cache has {cache.BlockCount} blocks");
        }
    }

    private static void CheckRun(KvCache cache, int firstLayer, int layers, int blocks, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstLayer);
        ArgumentOutOfRangeException.ThrowIfNegative(layers);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)firstLayer + layers, cache.Layout.Layers, nameof(layers));
        if (length < (long)layers * blocks * cache.Layout.BlockBytes)
        {
            throw new ArgumentException($"{layers} layers of {blocks} blocks do not fit {length} bytes");
        }
    }

    private sealed class CompletedEvent : DeviceEvent
    {
        public static readonly CompletedEvent Instance = new();

        public override bool IsComplete => true;

        public override void Wait()
        {
        }

        public override void Dispose()
        {
        }
    }
}
