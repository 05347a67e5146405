namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>A paged KV cache in native memory: <c>[layer][block]</c> of <see cref="KvLayout.BlockBytes"/>.</summary>
/// <remarks>
/// In small pages. A block that is used for the first time touches every layer's part of the cache: with huge pages some step then had to clear
/// one for each layer, 60 MB for a model of 30, and every stream waited 100 to 200 ms for it.
/// </remarks>
internal sealed unsafe class CpuKvCache(KvLayout layout, int blockCount) : KvCache(layout, blockCount)
{
    private readonly NativeBuffer _buffer = new(layout.BlockBytesAllLayers * blockCount, hugePages: false);

    /// <summary>First byte of a block of a layer.</summary>
    public byte* Block(int layer, int block) => _buffer.Pointer + ((long)layer * BlockCount + block) * Layout.BlockBytes;

    /// <summary>Keys of a head in a block of a layer.</summary>
    public byte* Keys(int layer, int block, int kvHead) => Block(layer, block) + (long)Layout.KeyOffset(kvHead, 0, 0) * Layout.ElementBytes;

    public override void Dispose() => _buffer.Dispose();
}
