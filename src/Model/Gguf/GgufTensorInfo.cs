namespace ServingGrid.Model.Gguf;

/// <summary>What a header says about one tensor.</summary>
/// <param name="Name">Unique in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Dimensions">One to four, fastest first as in ggml: [columns, rows, …]; the product does not overflow.</param>
/// <param name="Offset">From the start of the data section; a multiple of the file's alignment.</param>
public sealed record GgufTensorInfo(string Name, GgmlType Type, IReadOnlyList<long> Dimensions, long Offset)
{
    /// <summary>Elements of a row: whole blocks of <see cref="Type"/>.</summary>
    public long Columns => Dimensions[0];

    /// <summary>Product of all dimensions but the first.</summary>
    public long Rows => Dimensions.Skip(1).Aggregate(1L, (product, dimension) => checked(product * dimension));

    public long ByteLength => checked(Rows * Type.RowBytes(Columns));

    /// <summary>The dimensions as in "256×512".</summary>
    public string Shape => string.Join('×', Dimensions);
}
