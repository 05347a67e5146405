using System.Buffers.Binary;
using System.Text;

namespace ServingGrid.Model.Gguf;

/// <summary>
/// Reads the little-endian primitives of a GGUF header in order. Every read is checked against the bytes that are left,
/// and no length from the file is used before it has been checked, so that a hostile header costs a message at most.
/// </summary>
internal ref struct GgufCursor(ReadOnlySpan<byte> bytes, string source)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _lastRead;

    /// <summary>Offset of the next byte.</summary>
    public int Position { get; private set; }

    public readonly int Remaining => _bytes.Length - Position;

    /// <summary>What is being read, for messages.</summary>
    public string Item { get; set; } = "the header";

    public ReadOnlySpan<byte> Take(long length)
    {
        _lastRead = Position;
        if (length < 0 || length > Remaining)
        {
            throw Error($"{(ulong)length} bytes are needed but {Remaining} are left");
        }

        ReadOnlySpan<byte> taken = _bytes.Slice(Position, (int)length);
        Position += (int)length;
        return taken;
    }

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>A count of things of at least <paramref name="minimumBytes"/> each, all of which must fit into what is left.</summary>
    public int Count(string what, int minimumBytes, int limit)
    {
        ulong count = UInt64();
        if (count > (ulong)(Remaining / minimumBytes))
        {
            throw Error($"{count} {what} do not fit into the {Remaining} bytes that are left");
        }

        return count <= (ulong)limit ? (int)count : throw Error($"{count} {what} are more than the {limit} that are allowed");
    }

    /// <summary>A name (key or tensor): UTF-8 of 1 to <paramref name="limit"/> bytes.</summary>
    public string Name(string what, int limit)
    {
        int length = Count($"bytes of {what}", 1, limit);
        return length > 0 ? Encoding.UTF8.GetString(Take(length)) : throw Error($"{what} is empty");
    }

    /// <summary>Steps over a string of any length.</summary>
    public void SkipString() => Take(Count("bytes of a string", 1, int.MaxValue));

    /// <summary>The exception that what was read last, and where it stands, calls for.</summary>
    public readonly GgufException Error(string reason) => new(source, $"{Item}, offset {_lastRead}: {reason}");
}
