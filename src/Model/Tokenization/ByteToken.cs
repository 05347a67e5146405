using System.Globalization;

namespace ServingGrid.Model.Tokenization;

/// <summary>Tokens that stand for one byte: "&lt;0x0A&gt;".</summary>
internal static class ByteToken
{
    public static string Piece(byte value) => $"<0x{value:X2}>";

    public static bool TryParse(string piece, out byte value)
    {
        value = 0;
        return piece is ['<', '0', 'x', _, _, '>'] && byte.TryParse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
