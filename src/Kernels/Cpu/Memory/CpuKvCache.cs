namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>A paged KV cache in native memory: <c>[block][layer]</c> of <see cref="KvLayout.BlockBytes"/>.</summary>
/// <remarks>
/// All layers of a block lie together, so that a block which is used for the first time touches hardly more huge pages than it fills. Ordered by
/// layer first it touched one for each: 60 MB to be cleared by a step of a model of 30 layers, for which every stream waited 100 to 250 ms.
/// </remarks>
internal sealed unsafe class CpuKvCache(KvLayout layout, int blockCount) : KvCache(layout, blockCount)
{
    private readonly NativeBuffer _buffer = new(layout.BlockBytesAllLayers * blockCount);

    /// <summary>First byte of a block of a layer.</summary>
    public byte* Block(int layer, int block) => _buffer.Pointer + ((long)block * Layout.Layers + layer) * Layout.BlockBytes;

    /// <summary>Keys of a head in a block of a layer.</summary>
    public byte* Keys(int layer, int block, int kvHead) => Block(layer, block) + (long)Layout.KeyOffset(kvHead, 0, 0) * Layout.ElementBytes;

    public override void Dispose() => _buffer.Dispose();
}
