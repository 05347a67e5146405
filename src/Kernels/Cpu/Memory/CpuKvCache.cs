namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>A paged KV cache in native memory: <c>[block][layer]</c> of <see cref="KvLayout.BlockBytes"/>.</summary>
/// <remarks>
/// All layers of a block lie together, so that a block which is used for the first time touches hardly more huge pages than it fills. Ordered by
/// layer first it touched one for each: 60 MB to be cleared by a step of a model of 30 layers, for which every stream waited 100 to 250 ms.
/// </remarks>
internal sealed unsafe class CpuKvCache : KvCache
{
    private readonly NativeBuffer _buffer;
    private readonly MemoryPreparation _preparation;

    public CpuKvCache(KvLayout layout, int blockCount) : base(layout, blockCount)
    {
        _buffer = new NativeBuffer(layout.BlockBytesAllLayers * blockCount);
        _preparation = new MemoryPreparation(_buffer);
    }

    /// <summary>Bytes from the start that are known to be present; for tests.</summary>
    internal long PreparedBytes => _preparation.Prepared;

    /// <summary>First byte of a block of a layer.</summary>
    public byte* Block(int layer, int block) => _buffer.Pointer + ((long)block * Layout.Layers + layer) * Layout.BlockBytes;

    /// <summary>Keys of a head in a block of a layer.</summary>
    public byte* Keys(int layer, int block, int kvHead) => Block(layer, block) + Layout.KeysOf(kvHead);

    public override void Expect(int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(blocks, BlockCount);
        _preparation.Expect(Layout.BlockBytesAllLayers * blocks);
    }

    public override void Dispose()
    {
        // First, because it touches the memory.
        _preparation.Dispose();
        _buffer.Dispose();
    }
}
