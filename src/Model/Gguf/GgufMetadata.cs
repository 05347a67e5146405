using System.Buffers.Binary;
using System.Text;

namespace ServingGrid.Model.Gguf;

/// <summary>
/// The key/value pairs of a GGUF header, decoded from its bytes when asked for. Absent keys are null; a key that is there
/// with another type, or a value that does not fit, is a <see cref="GgufException"/>. Immutable and safe to read from any thread.
/// </summary>
public sealed class GgufMetadata
{
    private readonly byte[] _header;
    private readonly string _source;
    private readonly IReadOnlyDictionary<string, Entry> _entries;

    internal GgufMetadata(byte[] header, string source, IReadOnlyDictionary<string, Entry> entries)
    {
        _header = header;
        _source = source;
        _entries = entries;
    }

    /// <summary>Every key, in no particular order.</summary>
    public IEnumerable<string> Keys => _entries.Keys;

    /// <summary>The file (or other origin) that messages name.</summary>
    public string Source => _source;

    public bool Contains(string key) => _entries.ContainsKey(key);

    /// <summary>Number of elements if the key is there with an array as its value.</summary>
    public int? ArrayLength(string key) => _entries.TryGetValue(key, out Entry entry) && entry.IsArray ? entry.Count : null;

    /// <summary>A string; bytes that are not UTF-8 become U+FFFD.</summary>
    public string? GetString(string key) => Find(key, false, t => t == GgufValueType.String, "a string") is { } entry ? StringAt(entry.Offset, out _) : null;

    /// <summary>An integer of any width.</summary>
    public long? GetInteger(string key) => Find(key, false, GgufValueTypes.IsInteger, "an integer") is { } entry ? Integer(key, entry, 0) : null;

    /// <summary>A floating-point number of either width.</summary>
    public double? GetFloat(string key) => Find(key, false, GgufValueTypes.IsFloat, "a floating-point number") is { } entry ? Float(entry, 0) : null;

    public bool? GetBool(string key) => Find(key, false, t => t == GgufValueType.Bool, "a truth value") is { } entry ? _header[entry.Offset] != 0 : null;

    /// <summary>An array of strings (a new one in each call).</summary>
    public string[]? GetStrings(string key)
    {
        if (Find(key, true, t => t == GgufValueType.String, "an array of strings") is not { } entry)
        {
            return null;
        }

        var strings = new string[entry.Count];
        int offset = entry.Offset;
        for (int i = 0; i < strings.Length; i++)
        {
            strings[i] = StringAt(offset, out offset);
        }

        return strings;
    }

    /// <summary>An array of floating-point numbers of either width (a new one in each call).</summary>
    public float[]? GetFloats(string key)
    {
        if (Find(key, true, GgufValueTypes.IsFloat, "an array of floating-point numbers") is not { } entry)
        {
            return null;
        }

        var values = new float[entry.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)Float(entry, i);
        }

        return values;
    }

    /// <summary>An array of integers of any width, all of which fit 32 bits (a new one in each call).</summary>
    public int[]? GetIntegers(string key)
    {
        if (Find(key, true, GgufValueTypes.IsInteger, "an array of integers") is not { } entry)
        {
            return null;
        }

        var values = new int[entry.Count];
        for (int i = 0; i < values.Length; i++)
        {
            long value = Integer(key, entry, i);
            values[i] = value is >= int.MinValue and <= int.MaxValue ? (int)value : throw Error(key, entry, $"element {i} is {value}, which exceeds 32 bits");
        }

        return values;
    }

    private Entry? Find(string key, bool array, Func<GgufValueType, bool> accepts, string wanted)
    {
        if (!_entries.TryGetValue(key, out Entry entry))
        {
            return null;
        }

        return entry.IsArray == array && accepts(entry.Type)
            ? entry
            : throw Error(key, entry, $"{wanted} is needed but the file has {(entry.IsArray ? "an array of " : "")}{entry.Type}");
    }

    private long Integer(string key, Entry entry, int index)
    {
        ReadOnlySpan<byte> at = _header.AsSpan(entry.Offset + index * entry.Type.MinimumBytes());
        ulong unsigned = entry.Type == GgufValueType.UInt64 ? BinaryPrimitives.ReadUInt64LittleEndian(at) : 0;
        return entry.Type switch
        {
            GgufValueType.UInt8 => at[0],
            GgufValueType.Int8 => (sbyte)at[0],
            GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(at),
            GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(at),
            GgufValueType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(at),
            GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(at),
            GgufValueType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(at),
            _ => unsigned <= long.MaxValue ? (long)unsigned : throw Error(key, entry, $"{unsigned} exceeds 63 bits"),
        };
    }

    private double Float(Entry entry, int index)
    {
        ReadOnlySpan<byte> at = _header.AsSpan(entry.Offset + index * entry.Type.MinimumBytes());
        return entry.Type == GgufValueType.Float32 ? BinaryPrimitives.ReadSingleLittleEndian(at) : BinaryPrimitives.ReadDoubleLittleEndian(at);
    }

    // Lengths were checked when the header was parsed.
    private string StringAt(int offset, out int next)
    {
        int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(_header.AsSpan(offset));
        next = offset + 8 + length;
        return Encoding.UTF8.GetString(_header, offset + 8, length);
    }

    /// <summary>A pair's value as it stands in the file, its type before it.</summary>
    internal byte[] Encoded(string key)
    {
        if (!_entries.TryGetValue(key, out Entry entry))
        {
            throw new ArgumentException($"{_source} has no key '{key}'", nameof(key));
        }

        // In front of the first element: a type (4 bytes), and for an array the elements' type (4) and count (8) after it.
        int start = entry.Offset - (entry.IsArray ? 16 : 4);
        return _header[start..(entry.Offset + entry.Length)];
    }

    /// <summary>The exception for a key that is absent, or whose value is not what the caller needs.</summary>
    internal GgufException Error(string key, string reason) =>
        _entries.TryGetValue(key, out Entry entry) ? Error(key, entry, reason) : new GgufException(_source, $"key '{key}': {reason}");

    private GgufException Error(string key, Entry entry, string reason) => new(_source, $"key '{key}', offset {entry.Offset}: {reason}");

    /// <summary>Where a value lies: for an array, <paramref name="Type"/> is that of its elements, which take <paramref name="Length"/> bytes in all.</summary>
    internal readonly record struct Entry(GgufValueType Type, bool IsArray, int Count, int Offset, int Length);
}
