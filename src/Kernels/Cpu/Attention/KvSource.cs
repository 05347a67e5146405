namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Where the keys [headSize][slots] and values [slots][headSize] of one head and block are, and in which type.</summary>
internal readonly unsafe struct KvSource(void* keys, int keyStride, void* values, int valueStride, bool half, nint ahead)
{
    private readonly byte* _keys = (byte*)keys;
    private readonly byte* _values = (byte*)values;

    /// <summary>F16, else F32.</summary>
    public bool Half { get; } = half;

    /// <summary>Elements from one dimension to the next.</summary>
    public int KeyStride { get; } = keyStride;

    /// <summary>Elements from one slot to the next.</summary>
    public int ValueStride { get; } = valueStride;

    /// <summary>Bytes to what comes next: blocks are scattered, which no hardware prefetcher foresees.</summary>
    public nint Ahead { get; } = ahead;

    /// <summary>F16 in the cache itself; <paramref name="upcoming"/>: the keys that come next, their values as far behind as here; or null.</summary>
    public static KvSource InPlace(byte* block, KvLayout layout, int kvHead, byte* upcoming)
    {
        byte* keys = block + layout.KeysOf(kvHead);
        byte* values = block + layout.ValuesOf(kvHead);
        return new KvSource(keys, layout.BlockSize, values, layout.HeadSize, true, upcoming == null ? 0 : (nint)(upcoming - keys));
    }

    public void* KeyColumn(int column) => _keys + column * (Half ? 2 : 4);

    public void* ValueColumn(int column) => _values + column * (Half ? 2 : 4);
}
