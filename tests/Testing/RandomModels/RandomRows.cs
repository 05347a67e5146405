using ServingGrid.Model.Gguf;

namespace ServingGrid.Testing;

/// <summary>
/// Rows of random weights at the speed of memory: quantises a palette of pieces once and strings them together at random.
/// Which pieces a row takes depends on seed, tensor and row alone, so that rows may be made in any order on any thread.
/// </summary>
internal sealed class RandomRows
{
    private const int Pieces = 1024;

    private readonly byte[] _palette;
    private readonly int _pieceBytes;
    private readonly ulong _key;

    /// <param name="type">Element type.</param>
    /// <param name="mean">Mean of the weights.</param>
    /// <param name="deviation">Their standard deviation (uniform distribution).</param>
    /// <param name="seed">Of the model.</param>
    /// <param name="tensor">Number of the tensor in the model.</param>
    public RandomRows(GgmlType type, float mean, float deviation, ulong seed, int tensor)
    {
        _key = Mix(seed ^ Mix((ulong)tensor));
        int elements = Math.Max(32, type.BlockElements());
        var values = new float[Pieces * elements];
        for (int i = 0; i < values.Length; i++)
        {
            // The upper 24 bits as a number from −1 to 1, of deviation 1/√3.
            float uniform = (Mix(_key + (ulong)i) >> 40) * (2f / (1 << 24)) - 1;
            values[i] = mean + uniform * MathF.Sqrt(3) * deviation;
        }

        _pieceBytes = (int)type.RowBytes(elements);
        _palette = new byte[Pieces * _pieceBytes];
        Quantizer.QuantizeRow(type, values, _palette);
    }

    /// <summary>
    /// The type itself, or where rows are not whole blocks of a K type the type of 32 elements that is next in size, as llama.cpp's
    /// quantiser has it.
    /// </summary>
    public static GgmlType Fitting(GgmlType type, int columns) => columns % type.BlockElements() == 0 ? type : type switch
    {
        GgmlType.Q4_K => GgmlType.Q5_0,
        GgmlType.Q5_K => GgmlType.Q5_1,
        GgmlType.Q6_K => GgmlType.Q8_0,
        _ => type,
    };

    /// <summary>Fills a row; the last piece is cut where the row's elements are not a multiple of 32 (float types only).</summary>
    public void Fill(int row, Span<byte> blocks)
    {
        ulong state = Mix(_key ^ ((ulong)row << 32));
        for (int offset = 0; offset < blocks.Length; offset += _pieceBytes)
        {
            state = Mix(state);
            int piece = (int)(state % Pieces);
            int length = Math.Min(_pieceBytes, blocks.Length - offset);
            _palette.AsSpan(piece * _pieceBytes, length).CopyTo(blocks[offset..]);
        }
    }

    /// <summary>SplitMix64's step (Steele, Lea and Flood 2014).</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E37_79B9_7F4A_7C15;
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB;
        return value ^ (value >> 31);
    }
}
