namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>English contractions: <c>'s|'t|'re|'ve|'m|'ll|'d</c>.</summary>
internal static class Contraction
{
    /// <summary>Length of the contraction that <paramref name="text"/> starts with, or 0.</summary>
    public static int Length(ReadOnlySpan<char> text, bool ignoreCase)
    {
        if (text.Length < 2 || text[0] != '\'')
        {
            return 0;
        }

        char first = Lower(text[1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
        {
            return 2;
        }

        return text.Length > 2 && (first, Lower(text[2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    private static char Lower(char c, bool ignoreCase) => ignoreCase && char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
}
