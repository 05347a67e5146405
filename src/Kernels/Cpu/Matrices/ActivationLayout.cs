namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>
/// Activations quantised for a product with quantised weights: int8 with one F32 scale for each block of 32 columns.
/// </summary>
/// <remarks>
/// <para>
/// Rows are grouped in tiles of <see cref="TileRows"/> (the last may have fewer). A tile with T rows is a record for each block:
/// </para>
/// <code>
/// [T] × 32 signed bytes a = round(x / scale)          offset 0
/// [T] × F32 scale = max |x| / 127                     offset 32·T
/// [T] × I32 −128 · Σa                                 offset 36·T
/// [T] × F32 scale · Σa                                offset 40·T
/// [T] × I32 −128 · Σa of the first 16                 offset 44·T
/// </code>
/// <para>
/// The sums turn the weights' offset into the start value of an accumulator (w = scale·(u − offset)) and their minimum into one
/// multiply-add. A kernel reads a tile from front to back, whatever the number of its rows.
/// </para>
/// </remarks>
internal static class ActivationLayout
{
    /// <summary>Rows of a full tile.</summary>
    public const int TileRows = 8;

    /// <summary>Bytes of one block of one row.</summary>
    public const int BlockBytes = 48;

    public const int Scale = 32;

    public const int NegatedSum = 36;

    public const int ScaledSum = 40;

    public const int NegatedHalfSum = 44;

    public static long Bytes(int rows, int columns) => (long)rows * (columns / PanelLayout.BlockColumns) * BlockBytes;

    /// <summary>Byte offset of the tile that starts at <paramref name="firstRow"/>.</summary>
    public static long TileOffset(int firstRow, int columns) => Bytes(firstRow, columns);

    public static int TileCount(int rows) => (rows + TileRows - 1) / TileRows;

    public static int TileSize(int rows, int tile) => Math.Min(TileRows, rows - tile * TileRows);
}
