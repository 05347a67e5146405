using System.Runtime.InteropServices;

namespace ServingGrid.Model.Gguf;

/// <summary>
/// The bytes of one two-dimensional tensor as they lie in a model file: <see cref="Rows"/> rows of
/// <see cref="Columns"/> elements, each row a whole number of blocks of <see cref="Type"/>. A vector is one row.
/// </summary>
/// <remarks>
/// The memory belongs to <paramref name="owner"/> (a mapped file or an array), which this object keeps alive; a span
/// is valid as long as the owner has not been disposed. Immutable and safe to read from any thread.
/// </remarks>
public sealed unsafe class TensorData(string name, GgmlType type, int rows, int columns, nint address, object owner)
{
    /// <summary>Name in the model file, for messages.</summary>
    public string Name { get; } = name;

    public GgmlType Type { get; } = type;

    /// <summary>Output features of a matrix; entries of an embedding table; 1 for a vector.</summary>
    public int Rows { get; } = rows;

    /// <summary>Input features of a matrix; length of a vector.</summary>
    public int Columns { get; } = columns;

    /// <summary>Bytes from one row to the next.</summary>
    public int RowBytes { get; } = checked((int)type.RowBytes(columns));

    /// <summary>Size of the whole tensor in bytes.</summary>
    public long ByteLength => (long)Rows * RowBytes;

    /// <summary>What keeps the memory mapped or alive.</summary>
    public object Owner { get; } = owner;

    /// <summary>Address of the first byte, for devices that upload or repack by pointer. Keep this object reachable meanwhile.</summary>
    public nint Address { get; } = address;

    /// <summary>The raw blocks of one row.</summary>
    public ReadOnlySpan<byte> Row(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        return new ReadOnlySpan<byte>((byte*)Address + (long)row * RowBytes, RowBytes);
    }

    /// <summary>
    /// Gives the tensor's pages back to the operating system, for a reader that has copied them: see <see cref="GgufFile.DropPages"/>. Nothing is lost, and
    /// nothing happens when the memory is not that of a mapped file, or when the system does not take the advice: then the pages stay as long as the file is mapped.
    /// </summary>
    public void DropPages() => (Owner as GgufFile)?.DropPages(this);

    /// <summary>A tensor over an array of its own (a pinned copy of <paramref name="bytes"/>): tests and generated models.</summary>
    public static TensorData FromBytes(string name, GgmlType type, int rows, int columns, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != rows * type.RowBytes(columns))
        {
            throw new ArgumentException($"{name}: {bytes.Length} bytes are not {rows} rows of {columns} {type} elements", nameof(bytes));
        }

        byte[] pinned = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(pinned);
        return new TensorData(name, type, rows, columns, Marshal.UnsafeAddrOfPinnedArrayElement(pinned, 0), pinned);
    }

    /// <summary>An F32 tensor that holds a copy of <paramref name="values"/>.</summary>
    public static TensorData FromFloats(string name, int rows, int columns, ReadOnlySpan<float> values) =>
        FromBytes(name, GgmlType.F32, rows, columns, MemoryMarshal.AsBytes(values));
}
