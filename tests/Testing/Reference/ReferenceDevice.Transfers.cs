using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using ServingGrid.Kernels;
using Tensor = ServingGrid.Kernels.Tensor;

namespace ServingGrid.Testing.Reference;

/// <content>What goes to the host and comes from it, and copies of blocks.</content>
public partial class ReferenceDevice
{
    public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination) =>
        ((ReferenceTensor)tensor).Values.AsSpan(firstRow * tensor.Columns, rows * tensor.Columns).CopyTo(destination);

    public override void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source) =>
        source[..(rows * tensor.Columns)].CopyTo(((ReferenceTensor)tensor).Values.AsSpan(firstRow * tensor.Columns));

    public override void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to)
    {
        var kv = (ReferenceKvCache)cache;
        for (int layer = 0; layer < cache.Layout.Layers; layer++)
        {
            for (int i = 0; i < from.Length; i++)
            {
                kv.Block(layer, from[i]).CopyTo(kv.Block(layer, to[i]));
            }
        }
    }

    public override DeviceEvent Record() => new ReferenceEvent();

    public override void Gather(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination, DeviceEvent? after)
    {
        after?.Wait();
        int bytes = cache.Layout.BlockBytes;
        for (int l = 0; l < layers; l++)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                if (cache.Layout.Type == KvType.Q8)
                {
                    throw new NotSupportedException("the reference keeps what it rounded, not the integers");
                }

                ReadOnlySpan<float> source = ((ReferenceKvCache)cache).Block(firstLayer + l, blocks[i]);
                Span<byte> target = destination.Slice((l * blocks.Length + i) * bytes, bytes);
                if (cache.Layout.Type == KvType.F16)
                {
                    TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(target));
                }
                else
                {
                    source.CopyTo(MemoryMarshal.Cast<byte, float>(target));
                }
            }
        }
    }

    public override void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source)
    {
        int bytes = cache.Layout.BlockBytes;
        for (int l = 0; l < layers; l++)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                Span<float> target = ((ReferenceKvCache)cache).Block(firstLayer + l, blocks[i]);
                ReadOnlySpan<byte> block = source.Slice((l * blocks.Length + i) * bytes, bytes);
                if (cache.Layout.Type == KvType.Q8)
                {
                    Q8Bytes.Read(cache.Layout, block, target);
                }
                else if (cache.Layout.Type == KvType.F16)
                {
                    TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(block), target);
                }
                else
                {
                    MemoryMarshal.Cast<byte, float>(block).CopyTo(target);
                }
            }
        }
    }
}
