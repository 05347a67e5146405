using System.Globalization;
using System.Text;

namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>The classes of Unicode characters that pre-tokenizers tell apart.</summary>
[Flags]
internal enum CharacterClass : byte
{
    /// <summary>Control, format, unassigned and private characters.</summary>
    Other = 0,

    /// <summary>\p{L}</summary>
    Letter = 1,

    /// <summary>\p{N}</summary>
    Number = 2,

    /// <summary>\p{M}</summary>
    Mark = 4,

    /// <summary>\p{P}</summary>
    Punctuation = 8,

    /// <summary>\p{S}</summary>
    Symbol = 16,

    /// <summary>\s</summary>
    WhiteSpace = 32,
}

/// <summary>
/// Characters of UTF-16 text by code point: a regular expression of .NET would see the halves of a surrogate pair, which
/// are no letters, where models were trained on letters (𝓗, 𠮷).
/// </summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] Basic = [.. Enumerable.Range(0, 0x10000).Select(c => Classify(CharUnicodeInfo.GetUnicodeCategory((char)c), char.IsWhiteSpace((char)c)))];

    /// <summary>Class of the character that starts at <paramref name="index"/>; <paramref name="length"/> is 1 or 2.</summary>
    public static CharacterClass At(ReadOnlySpan<char> text, int index, out int length)
    {
        char c = text[index];
        if (!char.IsHighSurrogate(c) || index + 1 >= text.Length || !char.IsLowSurrogate(text[index + 1]))
        {
            length = 1;
            return Basic[c];
        }

        length = 2;
        return Classify(Rune.GetUnicodeCategory(new Rune(c, text[index + 1])), whiteSpace: false);
    }

    /// <summary>End of the run of characters of the classes <paramref name="any"/> that starts at <paramref name="index"/>.</summary>
    public static int SkipWhile(ReadOnlySpan<char> text, int index, CharacterClass any)
    {
        while (index < text.Length && (At(text, index, out int length) & any) != 0)
        {
            index += length;
        }

        return index;
    }

    /// <summary>End of the run of characters of none of the classes <paramref name="any"/> that starts at <paramref name="index"/>.</summary>
    public static int SkipUntil(ReadOnlySpan<char> text, int index, CharacterClass any)
    {
        while (index < text.Length && (At(text, index, out int length) & any) == 0)
        {
            index += length;
        }

        return index;
    }

    private static CharacterClass Classify(UnicodeCategory category, bool whiteSpace) => (whiteSpace ? CharacterClass.WhiteSpace : 0) | category switch
    {
        <= UnicodeCategory.OtherLetter => CharacterClass.Letter,
        <= UnicodeCategory.EnclosingMark => CharacterClass.Mark,
        <= UnicodeCategory.OtherNumber => CharacterClass.Number,
        >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation => CharacterClass.Punctuation,
        >= UnicodeCategory.MathSymbol and <= UnicodeCategory.OtherSymbol => CharacterClass.Symbol,
        _ => CharacterClass.Other,
    };
}
