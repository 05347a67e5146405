using System.Buffers.Binary;
using System.IO.Hashing;

namespace ServingGrid.Grains.Transfer;

/// <summary>What became of a frame: the receiver's answer.</summary>
public enum FrameOutcome : byte
{
    /// <summary>In its blocks.</summary>
    Written = 0,

    /// <summary>The same blocks of the same epoch were written before (a frame that was sent twice). Nothing was changed.</summary>
    Duplicate = 1,

    /// <summary>From an earlier attempt at the prefill. Nothing was changed.</summary>
    StaleEpoch = 2,

    /// <summary>No such reservation, or it has ended. Nothing was changed.</summary>
    NoReservation = 3,

    /// <summary>Blocks, layers or length are not those of the reservation. Nothing was changed.</summary>
    Invalid = 4,

    /// <summary>The hash does not fit the content. Nothing was changed: send it again.</summary>
    Corrupt = 5,
}

/// <summary>
/// The header of a data frame: which blocks of which reservation the payload holds. Little-endian, <see cref="Bytes"/> long, with a hash over
/// header and payload as its last field.
/// </summary>
/// <param name="Sequence">Counts the frames of a connection, from 0.</param>
/// <param name="Reservation">Id on the decode side.</param>
/// <param name="Epoch">Which attempt at the prefill sends.</param>
/// <param name="FirstBlock">Index in the sequence's block table.</param>
/// <param name="FirstLayer">First layer.</param>
/// <param name="Layers">Number of layers.</param>
/// <param name="PayloadBytes">Bytes that follow: <c>[layer][block]</c>.</param>
internal readonly record struct KvFrame(long Sequence, long Reservation, int Epoch, int FirstBlock, int FirstLayer, int Layers, int PayloadBytes)
{
    public const int Bytes = 48;
    public const int AckBytes = 16;
    private const uint Magic = 0x3146_4B53; // "SKF1"
    private const int HashOffset = 40;

    /// <summary>Writes the header in front of a payload that is in place already.</summary>
    public void Write(Span<byte> frame)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(frame, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(frame[4..], PayloadBytes);
        BinaryPrimitives.WriteInt64LittleEndian(frame[8..], Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(frame[16..], Reservation);
        BinaryPrimitives.WriteInt32LittleEndian(frame[24..], Epoch);
        BinaryPrimitives.WriteInt32LittleEndian(frame[28..], FirstBlock);
        BinaryPrimitives.WriteInt32LittleEndian(frame[32..], FirstLayer);
        BinaryPrimitives.WriteInt32LittleEndian(frame[36..], Layers);
        BinaryPrimitives.WriteUInt64LittleEndian(frame[HashOffset..], Hash(frame[..HashOffset], frame.Slice(Bytes, PayloadBytes)));
    }

    /// <summary>Reads a header; false when the bytes are none, or announce more than a frame may hold: the stream is then lost.</summary>
    public static bool TryRead(ReadOnlySpan<byte> header, int maxPayload, out KvFrame frame)
    {
        frame = new KvFrame(
            BinaryPrimitives.ReadInt64LittleEndian(header[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(header[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[24..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[28..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[32..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[36..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[4..]));
        return BinaryPrimitives.ReadUInt32LittleEndian(header) == Magic && frame.PayloadBytes >= 0 && frame.PayloadBytes <= maxPayload;
    }

    /// <summary>True when the hash in the header is that of header and payload.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) =>
        BinaryPrimitives.ReadUInt64LittleEndian(header[HashOffset..]) == Hash(header[..HashOffset], payload);

    public static void WriteAck(Span<byte> ack, long sequence, FrameOutcome outcome)
    {
        ack.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(ack, sequence);
        ack[8] = (byte)outcome;
    }

    public static (long Sequence, FrameOutcome Outcome) ReadAck(ReadOnlySpan<byte> ack) =>
        (BinaryPrimitives.ReadInt64LittleEndian(ack), (FrameOutcome)ack[8]);

    // XxHash3 runs at memory speed; it detects errors, the handshake is what keeps strangers out.
    private static ulong Hash(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) =>
        XxHash3.HashToUInt64(payload, (long)XxHash3.HashToUInt64(header));
}
