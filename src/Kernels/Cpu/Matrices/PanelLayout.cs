using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>
/// How the quantised types lie in memory after repacking: panels of 16 rows, so that one vector holds the same columns of 16 rows
/// and a product needs no horizontal sum. The size is that of the file, + 3 % for Q4_K and + 2.3 % for Q5_K.
/// </summary>
/// <remarks>
/// <para>
/// Every weight is kept as an unsigned number u of 4, 5, 6 or 8 bits. A panel is its blocks of 32 columns in order; types
/// with super-blocks of 256 columns have a header before every 8 blocks. Within a block (r: row of the panel, g: group of 4 columns):
/// </para>
/// <code>
/// low   8 bits: 8 × [16 rows][4 bytes], group g at 64·g
///       4 bits: 4 × [16 rows][4 bytes], byte = u of group v | u of group v + 4 shifted left by 4 (low 4 bits of each u)
/// high  1 bit:  [16 rows][4 bytes], bit g of a byte = bit 4 of group g's u
///       2 bits: 2 × [16 rows][4 bytes], bits 2g, 2g+1 of the first = bits 4, 5 of u for groups 0–3; the second: groups 4–7
/// scale F16 × 16 rows                 (w = scale · (u − offset) + minimum)
/// min   F16 × 16 rows
/// </code>
/// <para>
/// Super-blocks: the header holds F16 × 16 rows of d (and −dmin); scale and minimum of a block are bytes × 16 rows that multiply
/// them. Q6_K scales 16 columns at a time: two rows of signed bytes, the first for groups 0–3.
/// </para>
/// </remarks>
internal sealed record PanelLayout(GgmlType Type, int LowBits, int HighBits, int Offset, bool HasMin, bool SuperBlocks)
{
    /// <summary>Rows of a panel.</summary>
    public const int Rows = 16;

    /// <summary>Columns of a block: those that share an activation scale.</summary>
    public const int BlockColumns = 32;

    /// <summary>Blocks of a super-block.</summary>
    public const int SuperBlock = 8;

    /// <summary>True where half a block has a scale of its own (Q6_K).</summary>
    public bool HalfScales => Type == GgmlType.Q6_K;

    public int HighOffset => LowBits * 64;

    public int ScaleOffset => HighOffset + HighBits * 64;

    public int MinOffset => ScaleOffset + (SuperBlocks ? Rows : Rows * 2);

    public int BlockBytes => ScaleOffset + (SuperBlocks ? Rows : Rows * 2) * (HasMin || HalfScales ? 2 : 1);

    /// <summary>Bytes of d (and −dmin) before every 8 blocks; 0 without super-blocks.</summary>
    public int HeaderBytes => SuperBlocks ? Rows * 2 * (HasMin ? 2 : 1) : 0;

    /// <summary>Bytes of a panel of that many columns.</summary>
    public long PanelBytes(int columns)
    {
        long blocks = columns / BlockColumns;
        return blocks * BlockBytes + (SuperBlocks ? blocks / SuperBlock * HeaderBytes : 0);
    }

    /// <summary>The layout of a quantised type; null for the float types.</summary>
    public static PanelLayout? Of(GgmlType type) => type switch
    {
        GgmlType.Q4_0 => Formats.Q4_0.Layout,
        GgmlType.Q4_1 => Formats.Q4_1.Layout,
        GgmlType.Q5_0 => Formats.Q5_0.Layout,
        GgmlType.Q5_1 => Formats.Q5_1.Layout,
        GgmlType.Q8_0 => Formats.Q8_0.Layout,
        GgmlType.Q4_K => Formats.Q4_K.Layout,
        GgmlType.Q5_K => Formats.Q5_K.Layout,
        GgmlType.Q6_K => Formats.Q6_K.Layout,
        _ => null,
    };
}
