using System.Buffers.Binary;
using System.Text;

namespace ServingGrid.Model.Gguf;

/// <summary>Fills a row of a tensor with whole blocks. Called from several threads at once: the row alone decides the bytes.</summary>
public delegate void RowFiller(int row, Span<byte> blocks);

/// <summary>
/// Writes GGUF v3 files: metadata first, in the order in which it was added, then tensors. Their data is asked for while
/// the file is written, so that a file may be larger than memory. Not thread-safe.
/// </summary>
public sealed class GgufWriter
{
    private const int ChunkBytes = 8 << 20;

    private readonly int _alignment;
    private readonly List<(string Key, byte[] Value)> _pairs = [];
    private readonly List<(string Name, GgmlType Type, int Rows, int Columns, RowFiller Fill)> _tensors = [];

    /// <param name="alignment">Of every tensor's data: a power of two.</param>
    public GgufWriter(int alignment = 32)
    {
        if (!int.IsPow2(alignment))
        {
            throw new ArgumentOutOfRangeException(nameof(alignment), alignment, "not a power of two");
        }

        _alignment = alignment;
        Add("general.alignment", alignment);
    }

    public GgufWriter Add(string key, string value) => AddPair(key, GgufValueType.String, stream => WriteString(stream, value));

    /// <summary>Stored as an unsigned 32-bit integer, as other readers expect of counts and ids.</summary>
    public GgufWriter Add(string key, int value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        return AddPair(key, GgufValueType.UInt32, stream => WriteUInt32(stream, (uint)value));
    }

    public GgufWriter Add(string key, float value) => AddPair(key, GgufValueType.Float32, stream => WriteUInt32(stream, BitConverter.SingleToUInt32Bits(value)));

    public GgufWriter Add(string key, bool value) => AddPair(key, GgufValueType.Bool, stream => stream.WriteByte(value ? (byte)1 : (byte)0));

    public GgufWriter Add(string key, IReadOnlyList<string> values) => AddArray(key, GgufValueType.String, values, WriteString);

    public GgufWriter Add(string key, IReadOnlyList<int> values) => AddArray(key, GgufValueType.Int32, values, (stream, value) => WriteUInt32(stream, (uint)value));

    public GgufWriter Add(string key, IReadOnlyList<float> values) =>
        AddArray(key, GgufValueType.Float32, values, (stream, value) => WriteUInt32(stream, BitConverter.SingleToUInt32Bits(value)));

    /// <summary>Copies a pair from another file, type and all.</summary>
    /// <exception cref="ArgumentException">The other file does not have the key.</exception>
    public GgufWriter Copy(GgufMetadata from, string key)
    {
        _pairs.Add((key, from.Encoded(key)));
        return this;
    }

    /// <summary>Adds a matrix, or a vector as one row.</summary>
    public GgufWriter AddTensor(string name, GgmlType type, int rows, int columns, RowFiller fill)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(type.RowBytes(columns), int.MaxValue / 2, nameof(columns));
        _tensors.Add((name, type, rows, columns, fill));
        return this;
    }

    /// <summary>Adds a tensor of values that are quantised to <paramref name="type"/>; the memory is read while the file is written.</summary>
    public GgufWriter AddTensor(string name, GgmlType type, int rows, int columns, ReadOnlyMemory<float> values)
    {
        if (values.Length != (long)rows * columns)
        {
            throw new ArgumentException($"{name}: {values.Length} values are not {rows} rows of {columns}", nameof(values));
        }

        return AddTensor(name, type, rows, columns, (row, blocks) => Quantizer.QuantizeRow(type, values.Span.Slice(row * columns, columns), blocks));
    }

    /// <summary>Writes the file, replacing an existing one.</summary>
    public void Write(string path)
    {
        using FileStream stream = File.Create(path);
        Write(stream);
    }

    /// <summary>Writes the file from the stream's position on, which must be its start.</summary>
    public void Write(Stream stream)
    {
        byte[] header = Header();
        stream.Write(header);
        Pad(stream, header.Length);
        foreach ((_, GgmlType type, int rows, int columns, RowFiller fill) in _tensors)
        {
            int rowBytes = (int)type.RowBytes(columns);
            WriteRows(stream, rows, rowBytes, fill);
            Pad(stream, (long)rows * rowBytes);
        }
    }

    private static void WriteRows(Stream stream, int rows, int rowBytes, RowFiller fill)
    {
        int chunk = Math.Clamp(ChunkBytes / rowBytes, 1, rows);
        byte[] buffer = new byte[chunk * rowBytes];
        for (int first = 0; first < rows; first += chunk)
        {
            int count = Math.Min(chunk, rows - first);
            int start = first;
            Parallel.For(0, count, row => fill(start + row, buffer.AsSpan(row * rowBytes, rowBytes)));
            stream.Write(buffer, 0, count * rowBytes);
        }
    }

    private byte[] Header()
    {
        using var stream = new MemoryStream();
        stream.Write("GGUF"u8);
        WriteUInt32(stream, 3);
        WriteUInt64(stream, (ulong)_tensors.Count);
        WriteUInt64(stream, (ulong)_pairs.Count);
        foreach ((string key, byte[] value) in _pairs)
        {
            WriteString(stream, key);
            stream.Write(value);
        }

        ulong offset = 0;
        foreach ((string name, GgmlType type, int rows, int columns, _) in _tensors)
        {
            WriteString(stream, name);
            ReadOnlySpan<ulong> dimensions = rows == 1 ? [(ulong)columns] : [(ulong)columns, (ulong)rows];
            WriteUInt32(stream, (uint)dimensions.Length);
            foreach (ulong dimension in dimensions)
            {
                WriteUInt64(stream, dimension);
            }

            WriteUInt32(stream, (uint)type);
            WriteUInt64(stream, offset);
            ulong bytes = (ulong)(rows * type.RowBytes(columns));
            offset += bytes + (ulong)Padding((long)bytes);
        }

        return stream.ToArray();
    }

    private GgufWriter AddPair(string key, GgufValueType type, Action<Stream> write)
    {
        using var stream = new MemoryStream();
        WriteUInt32(stream, (uint)type);
        write(stream);
        _pairs.Add((key, stream.ToArray()));
        return this;
    }

    private GgufWriter AddArray<T>(string key, GgufValueType type, IReadOnlyList<T> values, Action<Stream, T> write) => AddPair(key, GgufValueType.Array, stream =>
    {
        WriteUInt32(stream, (uint)type);
        WriteUInt64(stream, (ulong)values.Count);
        foreach (T value in values)
        {
            write(stream, value);
        }
    });

    private int Padding(long length) => (int)((_alignment - length % _alignment) % _alignment);

    private void Pad(Stream stream, long length) => stream.Write(new byte[Padding(length)]);

    private static void WriteString(Stream stream, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        WriteUInt64(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void WriteUInt32(Stream stream, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        stream.Write(bytes);
    }

    private static void WriteUInt64(Stream stream, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        stream.Write(bytes);
    }
}
