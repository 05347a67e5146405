namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>A paged KV cache in native memory: <c>[layer][block]</c> of <see cref="KvLayout.BlockBytes"/>.</summary>
internal sealed unsafe class CpuKvCache(KvLayout layout, int blockCount) : KvCache(layout, blockCount)
{
    private readonly NativeBuffer _buffer = new(layout.BlockBytesAllLayers * blockCount);

    /// <summary>First byte of a block of a layer.</summary>
    public byte* Block(int layer, int block) => _buffer.Pointer + ((long)layer * BlockCount + block) * Layout.BlockBytes;

    /// <summary>Keys of a head in a block of a layer.</summary>
    public byte* Keys(int layer, int block, int kvHead) => Block(layer, block) + (long)Layout.KeyOffset(kvHead, 0, 0) * Layout.ElementBytes;

    public override void Dispose() => _buffer.Dispose();
}
