using System.Text;

namespace ServingGrid.Model.Tokenization.ByteLevel;

/// <summary>
/// GPT-2's printable spelling of bytes, in which byte-level vocabularies are written: visible Latin-1 characters stand for
/// themselves, the other bytes for U+0100 and on in order ("Ġ" is a space).
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = new char[256];
    private static readonly short[] Bytes = new short[0x180];

    static ByteAlphabet()
    {
        Array.Fill(Bytes, (short)-1);
        int others = 0x100;
        for (int value = 0; value < 256; value++)
        {
            bool visible = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            Characters[value] = (char)(visible ? value : others++);
            Bytes[Characters[value]] = (short)value;
        }
    }

    /// <summary>The character that spells a byte.</summary>
    public static char Character(byte value) => Characters[value];

    /// <summary>The byte that a character spells, or −1.</summary>
    public static int Byte(char c) => c < Bytes.Length ? Bytes[c] : -1;

    /// <summary>The bytes of a spelling; characters outside of the alphabet stand for their own UTF-8.</summary>
    public static byte[] Decode(string spelling)
    {
        var bytes = new List<byte>(spelling.Length);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in spelling.EnumerateRunes())
        {
            if (rune.IsBmp && Byte((char)rune.Value) is var value and >= 0)
            {
                bytes.Add((byte)value);
            }
            else
            {
                bytes.AddRange(utf8[..rune.EncodeToUtf8(utf8)]);
            }
        }

        return [.. bytes];
    }

    /// <summary>The text that a spelling stands for, or null if it is not a whole number of characters or leaves the alphabet.</summary>
    public static string? DecodeText(string spelling)
    {
        Span<byte> bytes = spelling.Length <= 256 ? stackalloc byte[spelling.Length] : new byte[spelling.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            int value = Byte(spelling[i]);
            if (value < 0)
            {
                return null;
            }

            bytes[i] = (byte)value;
        }

        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : null;
    }
}
