using ServingGrid.Kernels.Cpu.Memory;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Some rows over one piece of the context: what <see cref="AttentionTile{L,V}"/> and <see cref="Q8Tile{L,V}"/> compute.</summary>
internal readonly unsafe ref struct AttentionPiece
{
    // What is read in half a microsecond: memory has answered by then. Up to twice as much pays where it stays within one block, in the second-level cache.
    private const int BytesAhead = 12 << 10;

    /// <summary>Sizes.</summary>
    public required AttentionGeometry Geometry { get; init; }

    /// <summary>Keys and values.</summary>
    public required CpuKvCache Cache { get; init; }

    /// <summary>Layer of the cache.</summary>
    public required int Layer { get; init; }

    /// <summary>First key/value head.</summary>
    public required int KvHead { get; init; }

    /// <summary>Key/value heads: one, or some with at most <see cref="AttentionGeometry.MergedRows"/> rows.</summary>
    public required int Heads { get; init; }

    /// <summary>Rows of each head: a multiple of what the product asks for, by position ascending (padding last).</summary>
    public required int Rows { get; init; }

    /// <summary>[heads][rows][headSize], scaled; Q8: each row as <see cref="Q8Query"/> says.</summary>
    public required float* Queries { get; init; }

    /// <summary>For each row, the number of positions that it sees; 0 for padding.</summary>
    public required int* Limits { get; init; }

    /// <summary>Block table of the sequence.</summary>
    public required ReadOnlySpan<int> Blocks { get; init; }

    /// <summary>Which piece of the context.</summary>
    public required int Index { get; init; }

    /// <summary>Keys of the first head that are read after this piece, to ask for them; null if none are known.</summary>
    public required byte* Upcoming { get; init; }

    /// <summary>[heads][rows]: state of each row; overwritten.</summary>
    public required float* States { get; init; }

    /// <summary>Working memory of <see cref="AttentionGeometry.WorkFloats"/>.</summary>
    public required float* Work { get; init; }

    public KvLayout Layout => Geometry.Layout;

    /// <summary>How many regions ahead memory is asked for (<see cref="BlockRun.RegionsAhead"/>).</summary>
    public int RegionsAhead => Math.Max(Math.Max(1, BytesAhead / Layout.HeadBytes), Math.Min(2 * BytesAhead / Layout.HeadBytes, (2 * Heads) - 1));

    /// <summary>How many regions behind the last of a run are looked at: <see cref="RegionsAhead"/>, and at least a block's.</summary>
    public int RegionsAfter => Math.Max(RegionsAhead, 2 * Heads);

    /// <summary>First block.</summary>
    public int First => Index * Geometry.PieceBlocks;

    /// <summary>Working memory for keys, values and scores.</summary>
    public float* Keys => Work;

    /// <inheritdoc cref="Keys"/>
    public float* Values => Keys + Geometry.KeyFloats;

    /// <inheritdoc cref="Keys"/>
    public float* Scores => Values + Geometry.ValueFloats;

    /// <summary>The fewest and the most positions that one of some rows sees.</summary>
    public (int Nearest, int Furthest) Limit(int first, int rows)
    {
        int nearest = int.MaxValue;
        int furthest = 0;
        for (int r = first; r < first + rows; r++)
        {
            nearest = Math.Min(nearest, Limits[r]);
            furthest = Math.Max(furthest, Limits[r]);
        }

        return (nearest, furthest);
    }

    /// <summary>Behind the last block of the piece for rows that see so many positions.</summary>
    public int End(int furthest) => Math.Min(First + Geometry.PieceBlocks, (furthest + Layout.BlockSize - 1) / Layout.BlockSize);

    /// <summary>
    /// Where the keys and values of blocks lie, in the order of <see cref="BlockRun.Regions"/>; behind the last of them what is read after the piece.
    /// </summary>
    /// <param name="regions">Filled.</param>
    /// <param name="count">How many.</param>
    /// <param name="end">Behind the last block that is read.</param>
    public void Locate(nint* regions, int count, int end)
    {
        nint region = Layout.HeadBytes;
        nint valueOffset = Layout.ValuesOf(0);
        nint block = 0;
        for (int i = 0, index = First; i < count; i += 2 * Heads, index++)
        {
            // What nobody knows yet is asked for once more where it was last.
            block = index < end ? (nint)Cache.Keys(Layer, Blocks[index], KvHead) : index == end && Upcoming != null ? (nint)Upcoming : block;
            for (int r = 0; r < Math.Min(2 * Heads, count - i); r++)
            {
                regions[i + r] = block + (r < Heads ? r * region : valueOffset + (r - Heads) * region);
            }
        }
    }

    /// <summary>Some rows of each head over consecutive blocks of the piece.</summary>
    /// <param name="regions">As <see cref="Locate"/> gives them.</param>
    /// <param name="first">First row; others than 0 for one head only.</param>
    /// <param name="rows">Rows of each head.</param>
    /// <param name="block">First block.</param>
    /// <param name="end">Behind the last one.</param>
    public BlockRun Run(nint* regions, int first, int rows, int block, int end) => new()
    {
        Type = Layout.Type,
        Rows = rows,
        Heads = Heads,
        HeadSize = Geometry.Shape.HeadSize,
        Queries = Queries + (long)first * Geometry.Shape.HeadSize,
        Regions = regions + 2 * Heads * (block - First),
        RegionsAhead = RegionsAhead,
        Blocks = end - block,
        IsFresh = block == First,
        Scores = Scores,
        States = States + (long)first * Geometry.StateFloats,
        StateFloats = Geometry.StateFloats,
    };
}
