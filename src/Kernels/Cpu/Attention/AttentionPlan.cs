namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// Cuts a step's attention into units. How it is cut decides only who computes what: the arithmetic of a row is the same
/// whether one worker takes all pieces of its context or each piece goes to another.
/// </summary>
/// <remarks>Built once for a step and used by all its layers. Not thread-safe; read-only while a run uses it.</remarks>
internal sealed class AttentionPlan
{
    private const int UnitsPerWorker = 4;
    private AttentionUnit[] _units = new AttentionUnit[64];
    private AttentionUnit[] _merges = new AttentionUnit[64];
    private bool _isBuilt;
    private AttentionGeometry _geometry;

    public ReadOnlySpan<AttentionUnit> Units => _units.AsSpan(0, UnitCount);

    /// <summary>Tiles whose pieces were computed apart; <see cref="AttentionUnit.Piece"/> is their number of pieces.</summary>
    public ReadOnlySpan<AttentionUnit> Merges => _merges.AsSpan(0, MergeCount);

    public int UnitCount { get; private set; }

    public int MergeCount { get; private set; }

    /// <summary>Shared working memory for the states of pieces, in floats.</summary>
    public long StateFloats { get; private set; }

    /// <summary>Forgets the plan: another step begins.</summary>
    public void Invalidate() => _isBuilt = false;

    /// <param name="batch">The step.</param>
    /// <param name="geometry">Sizes.</param>
    /// <param name="workers">Who share the units.</param>
    /// <param name="canMerge">Whether heads of few rows can be computed together, which reads a block from end to end: done where there are units enough.</param>
    public void Build(StepBatch batch, AttentionGeometry geometry, int workers, bool canMerge)
    {
        if (_isBuilt && _geometry == geometry)
        {
            return;
        }

        (UnitCount, MergeCount, StateFloats) = (0, 0, 0);

        // One worker has nobody to share with.
        int enough = workers == 1 ? 1 : UnitsPerWorker * workers;
        bool merge = canMerge && CountTiles(batch, geometry, merge: true, cut: true) >= enough;
        bool split = CountTiles(batch, geometry, merge, cut: false) < enough;
        for (int sequence = 0; sequence < batch.SequenceCount; sequence++)
        {
            SequenceRows rows = batch.Sequences[sequence];
            int tile = geometry.TileQueries;

            // From the end: later tiles see more context, and the largest units should start first.
            for (int first = (rows.RowCount - 1) / tile * tile; first >= 0; first -= tile)
            {
                int queries = Math.Min(tile, rows.RowCount - first);
                int pieces = geometry.Pieces(rows.FirstPosition + first + queries - 1);
                int heads = HeadsTogether(queries, geometry, merge);
                for (int head = 0; head < geometry.Shape.KvHeads; head += heads)
                {
                    AddTile(new AttentionUnit(sequence, head, heads, first, queries, -1, 0), split ? pieces : 1, geometry);
                }
            }
        }

        (_isBuilt, _geometry) = (true, geometry);
    }

    private static int HeadsTogether(int queries, AttentionGeometry geometry, bool merge) =>
        merge && queries * geometry.Group <= AttentionGeometry.MergedRows ? geometry.Shape.KvHeads : 1;

    /// <summary>Tiles, or (<paramref name="cut"/>) their pieces.</summary>
    private static int CountTiles(StepBatch batch, AttentionGeometry geometry, bool merge, bool cut)
    {
        int count = 0;
        foreach (SequenceRows rows in batch.Sequences)
        {
            for (int first = 0; first < rows.RowCount; first += geometry.TileQueries)
            {
                int queries = Math.Min(geometry.TileQueries, rows.RowCount - first);
                int pieces = cut ? geometry.Pieces(rows.FirstPosition + first + queries - 1) : 1;
                count += geometry.Shape.KvHeads / HeadsTogether(queries, geometry, merge) * pieces;
            }
        }

        return count;
    }

    private void AddTile(AttentionUnit tile, int pieces, AttentionGeometry geometry)
    {
        if (pieces == 1)
        {
            Append(ref _units, UnitCount++, tile);
            return;
        }

        Append(ref _merges, MergeCount++, tile with { Piece = pieces, State = StateFloats });
        for (int piece = 0; piece < pieces; piece++)
        {
            Append(ref _units, UnitCount++, tile with { Piece = piece, State = StateFloats });
            StateFloats += (long)tile.Heads * tile.Queries * geometry.Group * geometry.StateFloats;
        }
    }

    private static void Append(ref AttentionUnit[] list, int index, AttentionUnit unit)
    {
        if (index == list.Length)
        {
            Array.Resize(ref list, 2 * index);
        }

        list[index] = unit;
    }
}
