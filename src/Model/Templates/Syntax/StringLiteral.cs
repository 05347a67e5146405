using System.Globalization;
using System.Text;

namespace ServingGrid.Model.Templates.Syntax;

/// <summary>The escapes of Python's string literals, of which Jinja's are a copy; an unknown escape keeps its backslash.</summary>
internal static class StringLiteral
{
    /// <summary>Resolves the escapes of <paramref name="body"/> (the text between the quotes); null where one is malformed.</summary>
    public static string? Unescape(ReadOnlySpan<char> body)
    {
        if (!body.Contains('\\'))
        {
            return body.ToString();
        }

        var text = new StringBuilder(body.Length);
        for (int i = 0; i < body.Length; i++)
        {
            if (body[i] != '\\')
            {
                text.Append(body[i]);
                continue;
            }

            char escape = body[++i];
            switch (escape)
            {
                case '\n': break;
                case '\\' or '\'' or '"': text.Append(escape); break;
                case 'a': text.Append('\a'); break;
                case 'b': text.Append('\b'); break;
                case 'f': text.Append('\f'); break;
                case 'n': text.Append('\n'); break;
                case 'r': text.Append('\r'); break;
                case 't': text.Append('\t'); break;
                case 'v': text.Append('\v'); break;
                case >= '0' and <= '7': i += AppendOctal(text, body[i..]) - 1; break;
                case 'x' or 'u' or 'U':
                    int digits = escape == 'x' ? 2 : escape == 'u' ? 4 : 8;
                    if (!AppendHex(text, body[(i + 1)..], digits))
                    {
                        return null;
                    }

                    i += digits;
                    break;
                case 'N': return null; // names of characters would need Unicode's name table
                default: text.Append('\\').Append(escape); break;
            }
        }

        return text.ToString();
    }

    private static int AppendOctal(StringBuilder text, ReadOnlySpan<char> digits)
    {
        int value = 0, length = 0;
        while (length < 3 && length < digits.Length && digits[length] is >= '0' and <= '7')
        {
            value = (value * 8) + (digits[length++] - '0');
        }

        text.Append((char)value);
        return length;
    }

    private static bool AppendHex(StringBuilder text, ReadOnlySpan<char> rest, int digits)
    {
        if (rest.Length < digits
            || !uint.TryParse(rest[..digits], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value)
            || value > 0x10FFFF)
        {
            return false;
        }

        if (value <= 0xFFFF)
        {
            text.Append((char)value);
        }
        else
        {
            text.Append(char.ConvertFromUtf32((int)value));
        }

        return true;
    }
}
