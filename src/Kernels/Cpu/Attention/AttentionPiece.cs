using ServingGrid.Kernels.Cpu.Memory;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Some rows over one piece of the context: what <see cref="AttentionTile{L,V}.Compute"/> takes.</summary>
internal readonly unsafe ref struct AttentionPiece
{
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

    /// <summary>[heads][rows][headSize], scaled.</summary>
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

    /// <summary>Working memory for keys, values and scores.</summary>
    public float* Keys => Work;

    /// <inheritdoc cref="Keys"/>
    public float* Values => Keys + Geometry.KeyFloats;

    /// <inheritdoc cref="Keys"/>
    public float* Scores => Values + Geometry.ValueFloats;
}
