using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>See <see cref="AttentionKernels"/>.</summary>
internal struct AttentionArguments
{
    /// <summary>Ints of one work item: first row, rows, first piece, pieces, row of the partial results or −1.</summary>
    public const int ItemInts = 5;

    /// <summary>[rows, QueryStride]</summary>
    public ArrayView<float> Query;

    /// <summary>[rows, OutputStride]</summary>
    public ArrayView<float> Output;

    /// <summary>
    /// [partial rows, Heads, MaxPieces, HeadSize + 2]: a piece's unnormalised output, then its maximum and its sum.
    /// </summary>
    public ArrayView<float> Partials;

    public ArrayView<int> Positions;

    /// <summary>First entry of each row's block table.</summary>
    public ArrayView<int> RowBlocks;

    public ArrayView<int> BlockTables;

    /// <summary>[items, ItemInts]</summary>
    public ArrayView<int> Items;

    /// <summary>Row of each partial row, for the kernel that combines.</summary>
    public ArrayView<int> PartialRows;

    public CacheView Cache;

    public int FirstItem;

    public int QueryStride;

    public int OutputStride;

    public int Heads;

    public int MaxPieces;

    /// <summary>1/√HeadSize.</summary>
    public float Scale;
}
