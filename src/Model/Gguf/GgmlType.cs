namespace ServingGrid.Model.Gguf;

/// <summary>
/// The element types of GGUF tensors that ServingGrid reads. The numbers are those of the file format
/// (ggml, <c>enum ggml_type</c>); types that are not listed are refused when a file is opened.
/// </summary>
public enum GgmlType
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    BF16 = 30,
}

/// <summary>Block geometry of <see cref="GgmlType"/>: quantised rows are sequences of fixed-size blocks.</summary>
public static class GgmlTypes
{
    /// <summary>Number of consecutive elements that one block encodes (1 for the float types).</summary>
    public static int BlockElements(this GgmlType type) => type switch
    {
        GgmlType.F32 or GgmlType.F16 or GgmlType.BF16 => 1,
        GgmlType.Q4_0 or GgmlType.Q4_1 or GgmlType.Q5_0 or GgmlType.Q5_1 or GgmlType.Q8_0 => 32,
        GgmlType.Q4_K or GgmlType.Q5_K or GgmlType.Q6_K => 256,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a tensor type that ServingGrid reads"),
    };

    /// <summary>Size in bytes of one block.</summary>
    public static int BlockBytes(this GgmlType type) => type switch
    {
        GgmlType.F32 => 4,
        GgmlType.F16 or GgmlType.BF16 => 2,
        GgmlType.Q4_0 => 18,
        GgmlType.Q4_1 => 20,
        GgmlType.Q5_0 => 22,
        GgmlType.Q5_1 => 24,
        GgmlType.Q8_0 => 34,
        GgmlType.Q4_K => 144,
        GgmlType.Q5_K => 176,
        GgmlType.Q6_K => 210,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a tensor type that ServingGrid reads"),
    };

    /// <summary>Size in bytes of a row of <paramref name="columns"/> elements, which must be whole blocks.</summary>
    public static long RowBytes(this GgmlType type, long columns)
    {
        int elements = type.BlockElements();
        if (columns < 0 || columns % elements != 0)
        {
            throw new ArgumentException($"a row of {columns} elements is not a whole number of {type} blocks of {elements}", nameof(columns));
        }

        return checked(columns / elements * type.BlockBytes());
    }

    /// <summary>True for a value that the enumeration defines: files may hold any number.</summary>
    public static bool IsSupported(this GgmlType type) => Enum.IsDefined(type);
}
