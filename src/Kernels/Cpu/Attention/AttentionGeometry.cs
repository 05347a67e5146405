namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Sizes that attention derives from a cache and a layer's heads. Everything is counted in floats.</summary>
/// <remarks>
/// Vectors are handled in pairs, at most 32 floats: slots and dimensions are padded to that in the working memory.
/// A row's state is <c>[m, 15 unused][l: 16 lanes][o: PaddedHead]</c>: the largest score but for <see cref="Headroom"/>, the sums of 2^(score − m) by slot modulo 16, and
/// the values weighted by them.
/// </remarks>
internal readonly record struct AttentionGeometry(AttentionShape Shape, KvLayout Layout)
{
    /// <summary>Positions after which a partial result is closed; partial results are combined in order.</summary>
    public const int PiecePositions = 256;

    /// <summary>Rows (query positions × heads of a group) that share one pass over keys and values.</summary>
    public const int MaxRows = 192;

    /// <summary>Most rows of each head for which heads are computed together: what products take at once.</summary>
    public const int MergedRows = 8;

    /// <summary>By how much (in powers of two) scores may exceed the maximum that a row's sums are relative to.</summary>
    public const float Headroom = 8;

    public const int StateSums = 16;

    public const int StateOutput = 32;

    /// <summary>Query heads that read the same key/value head.</summary>
    public int Group => Shape.Heads / Shape.KvHeads;

    public int PaddedSlots => (Layout.BlockSize + 31) & ~31;

    public int PaddedHead => (Shape.HeadSize + 31) & ~31;

    /// <summary>Blocks of a piece.</summary>
    public int PieceBlocks => Math.Max(1, PiecePositions / Layout.BlockSize);

    /// <summary>Query positions of a tile.</summary>
    public int TileQueries => Math.Max(1, MaxRows / Group);

    /// <summary>Floats of one row's state.</summary>
    public int StateFloats => StateOutput + PaddedHead;

    /// <summary>No padding is needed: blocks and heads are whole stripes.</summary>
    public bool IsPlain => PaddedSlots == Layout.BlockSize && PaddedHead == Shape.HeadSize;

    /// <summary>One block's keys and values can be multiplied where they lie, by a product that reads F16.</summary>
    public bool ReadsInPlace => IsPlain && Layout.Type == KvType.F16;

    /// <summary>Working memory for the keys of a block: [headSize][PaddedSlots].</summary>
    public int KeyFloats => Shape.HeadSize * PaddedSlots;

    /// <summary>Working memory for the values of a block: [slots][PaddedHead].</summary>
    public int ValueFloats => Layout.BlockSize * PaddedHead;

    /// <summary>Working memory of a tile: keys, values, and the scores of as many rows of each head as a product takes.</summary>
    public int WorkFloats => KeyFloats + ValueFloats + MergedRows * Shape.KvHeads * PaddedSlots;

    /// <summary>Most rows of a unit, over all of its heads.</summary>
    public int MaxUnitRows(int rowMultiple) => Math.Max((TileQueries * Group + rowMultiple - 1) / rowMultiple * rowMultiple, Shape.KvHeads * MergedRows);

    /// <summary>Pieces of the context of a row at <paramref name="position"/>.</summary>
    public int Pieces(int position) => position / (PieceBlocks * Layout.BlockSize) + 1;
}
