namespace ServingGrid.Kernels;

/// <summary>Element type of the KV cache.</summary>
public enum KvType
{
    F16,
    F32,
}

/// <summary>
/// Geometry of a paged KV cache: <c>[layer][block][K | V][kvHead]…</c>, where the K part of a head is
/// <c>[headSize][slot]</c> (transposed, so that one load holds one dimension of many slots: scores are computed for a
/// whole block without a horizontal sum) and the V part is <c>[slot][headSize]</c>.
/// A block of one layer is contiguous; the same bytes travel between devices of any kind.
/// </summary>
/// <param name="Layers">Transformer layers.</param>
/// <param name="KvHeads">Key/value heads of a layer.</param>
/// <param name="HeadSize">Elements of a head.</param>
/// <param name="BlockSize">Slots (token positions) in a block.</param>
/// <param name="Type">Element type.</param>
public sealed record KvLayout(int Layers, int KvHeads, int HeadSize, int BlockSize = 32, KvType Type = KvType.F16)
{
    public int ElementBytes => Type == KvType.F16 ? 2 : 4;

    /// <summary>Elements of the K part (or of the V part) of one block of one layer.</summary>
    public int PartElements => KvHeads * HeadSize * BlockSize;

    /// <summary>Bytes of one block of one layer, K and V.</summary>
    public int BlockBytes => 2 * PartElements * ElementBytes;

    /// <summary>Bytes that one block takes in all layers together.</summary>
    public long BlockBytesAllLayers => (long)Layers * BlockBytes;

    /// <summary>Element offset, inside a block of one layer, of the K value (head, dimension, slot).</summary>
    public int KeyOffset(int head, int dimension, int slot) => (head * HeadSize + dimension) * BlockSize + slot;

    /// <summary>Element offset, inside a block of one layer, of the V value (head, slot, dimension).</summary>
    public int ValueOffset(int head, int slot, int dimension) => PartElements + (head * BlockSize + slot) * HeadSize + dimension;
}
