using ServingGrid.Kernels.Cpu.Memory;

namespace ServingGrid.Kernels.Cpu;

/// <content>Copies between device and host, and of KV blocks.</content>
public sealed unsafe partial class CpuDevice
{
    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        Misuse.CheckCandidates(logits, rows, count, ids.Length, values.Length);
        if (rows > 0 && count > 0)
        {
            _top.Run((CpuTensor)logits, rows, count, ids, values);
        }
    }

    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination)
    {
        Misuse.CheckRows(tensor, firstRow, rows, destination.Length);
        for (int r = 0; r < rows; r++)
        {
            new ReadOnlySpan<float>(((CpuTensor)tensor).Row(firstRow + r), tensor.Columns).CopyTo(destination[(r * tensor.Columns)..]);
        }
    }

    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source)
    {
        Misuse.CheckRows(tensor, firstRow, rows, source.Length);
        for (int r = 0; r < rows; r++)
        {
            source.Slice(r * tensor.Columns, tensor.Columns).CopyTo(new Span<float>(((CpuTensor)tensor).Row(firstRow + r), tensor.Columns));
        }
    }

    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to)
    {
        Misuse.CheckCopy(cache, from, to);
        var blocks = (CpuKvCache)cache;
        int bytes = cache.Layout.BlockBytes;
        for (int i = 0; i < from.Length; i++)
        {
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
        Misuse.CheckTransfer(cache, firstLayer, layers, blocks, destination.Length);
        after?.Wait();
        int bytes = cache.Layout.BlockBytes;
        for (int layer = 0; layer < layers; layer++)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                new ReadOnlySpan<byte>(((CpuKvCache)cache).Block(firstLayer + layer, blocks[i]), bytes)
                    .CopyTo(destination.Slice(checked((layer * blocks.Length + i) * bytes), bytes));
            }
        }
    }

    public override void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source)
    {
        Misuse.CheckTransfer(cache, firstLayer, layers, blocks, source.Length);
        int bytes = cache.Layout.BlockBytes;
        for (int layer = 0; layer < layers; layer++)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                source.Slice(checked((layer * blocks.Length + i) * bytes), bytes)
                    .CopyTo(new Span<byte>(((CpuKvCache)cache).Block(firstLayer + layer, blocks[i]), bytes));
            }
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
