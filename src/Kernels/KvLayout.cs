namespace ServingGrid.Kernels;

/// <summary>Element type of the KV cache.</summary>
public enum KvType
{
    F16,
    F32,

    /// <summary>
    /// Integers of 8 bits, −127 … 127, with one F32 scale for each key and one for each value of a head: hardly more than half of <see cref="F16"/>'s memory.
    /// </summary>
    Q8,
}

/// <summary>
/// Geometry of a paged KV cache: <c>[layer][block][K | V][kvHead]…</c>, where the K part of a head is
/// <c>[headSize][slot]</c> (transposed, so that one load holds one dimension of many slots: scores are computed for a
/// whole block without a horizontal sum) and the V part is <c>[slot][headSize]</c>. With <see cref="KvType.Q8"/> the K part is
/// <c>[headSize / 4][slot][4]</c> of bytes that are 128 more than the integers, the V part <c>[slot / 2][headSize][2]</c> of signed bytes, as instructions for products of
/// integers take them, and each part is followed by the scales of its slots, <c>[slot]</c> of F32.
/// A block of one layer is contiguous; the same bytes travel between devices of any kind.
/// </summary>
/// <remarks>
/// Every device writes the nearest number of the type, ties to even, and what is not finite, or becomes so (F16: from 65520 on), as not a number: 7E00 in F16; with
/// <see cref="KvType.Q8"/> it is the scale, and so the whole key or value. No infinity is written, because one in a key would give some rows a score of minus infinity: a
/// position that weighs nothing, instead of a result that says that something is wrong. Slots that were not written may hold anything: it changes no result.
/// </remarks>
/// <param name="Layers">Transformer layers.</param>
/// <param name="KvHeads">Key/value heads of a layer.</param>
/// <param name="HeadSize">Elements of a head.</param>
/// <param name="BlockSize">Slots (token positions) in a block.</param>
/// <param name="Type">Element type.</param>
public sealed record KvLayout(int Layers, int KvHeads, int HeadSize, int BlockSize = 32, KvType Type = KvType.F16)
{
    /// <summary>Bits of an F16 in the place of what is not finite.</summary>
    internal const ushort HalfNotANumber = 0x7E00;

    /// <summary>Q8: dimensions of a key that lie side by side. Heads are a multiple of it.</summary>
    public const int KeysTogether = 4;

    /// <summary>Q8: slots whose values of a dimension lie side by side. Blocks are a multiple of it.</summary>
    public const int ValuesTogether = 2;

    /// <summary>Bytes of an element.</summary>
    public int ElementBytes => Type switch
    {
        KvType.F16 => 2,
        KvType.F32 => 4,
        _ => 1,
    };

    /// <summary>Elements of one head's keys (or values) in a block of one layer.</summary>
    public int HeadElements => HeadSize * BlockSize;

    /// <summary>Elements of the K part (or of the V part) of one block of one layer.</summary>
    public int PartElements => KvHeads * HeadElements;

    /// <summary>Bytes of one head's keys (or values) in a block of one layer: elements, then scales.</summary>
    public int HeadBytes => (HeadElements * ElementBytes) + (Type == KvType.Q8 ? BlockSize * sizeof(float) : 0);

    /// <summary>Bytes of one block of one layer, K and V.</summary>
    public int BlockBytes => 2 * KvHeads * HeadBytes;

    /// <summary>Bytes that one block takes in all layers together.</summary>
    public long BlockBytesAllLayers => (long)Layers * BlockBytes;

    /// <summary>Byte offset, inside a block of one layer, of a head's keys.</summary>
    public int KeysOf(int head) => head * HeadBytes;

    /// <summary>Byte offset, inside a block of one layer, of a head's values.</summary>
    public int ValuesOf(int head) => (KvHeads + head) * HeadBytes;

    /// <summary>Which element of a block of one layer is the K value (head, dimension, slot); scales are not counted.</summary>
    public int KeyOffset(int head, int dimension, int slot) => (head * HeadElements) + (Type == KvType.Q8
        ? (((dimension / KeysTogether * BlockSize) + slot) * KeysTogether) + (dimension % KeysTogether)
        : (dimension * BlockSize) + slot);

    /// <summary>Which element of a block of one layer is the V value (head, slot, dimension); scales are not counted.</summary>
    public int ValueOffset(int head, int slot, int dimension) => PartElements + (head * HeadElements) + (Type == KvType.Q8
        ? (((slot / ValuesTogether * HeadSize) + dimension) * ValuesTogether) + (slot % ValuesTogether)
        : (slot * HeadSize) + dimension);
}
