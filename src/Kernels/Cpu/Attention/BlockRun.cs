namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>Some rows of each of some key/value heads, over consecutive whole blocks of the context: see <see cref="BlockProduct.RunBlocks"/>.</summary>
internal readonly unsafe struct BlockRun
{
    /// <summary>F16 or Q8.</summary>
    public required KvType Type { get; init; }

    /// <summary>Rows of each head, at most <see cref="BlockProduct.MaxRows"/>.</summary>
    public required int Rows { get; init; }

    /// <summary>Key/value heads.</summary>
    public required int Heads { get; init; }

    /// <summary>A multiple of 32.</summary>
    public required int HeadSize { get; init; }

    /// <summary>[heads][rows][headSize]; Q8: each row as <see cref="Q8Query"/> says.</summary>
    public required float* Queries { get; init; }

    /// <summary>
    /// Where keys and values are, in the order in which they are read: for each block the keys of each head, then the values of each head; then
    /// <see cref="RegionsAhead"/> more of what is read afterwards, and at least a block's.
    /// </summary>
    public required nint* Regions { get; init; }

    /// <summary>How many regions ahead memory is asked for.</summary>
    public required int RegionsAhead { get; init; }

    /// <summary>Blocks.</summary>
    public required int Blocks { get; init; }

    /// <summary>The rows have seen nothing yet: their states are cleared.</summary>
    public required bool IsFresh { get; init; }

    /// <summary>Working memory: [heads][rows][32].</summary>
    public required float* Scores { get; init; }

    /// <summary>[heads][rows], see <see cref="AttentionGeometry"/>.</summary>
    public required float* States { get; init; }

    /// <summary>Floats of a state.</summary>
    public required int StateFloats { get; init; }
}
