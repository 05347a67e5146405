using System.Text;

namespace ServingGrid.Model.Tokenization;

/// <summary>UTF-16 text as it comes from callers.</summary>
internal static class UnicodeText
{
    /// <summary>The text with U+FFFD for every surrogate that has lost its other half; the same string if there is none.</summary>
    public static string WithoutUnpairedSurrogates(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
        {
            return text;
        }

        char[]? repaired = null;
        for (int i = 0; i < text.Length;)
        {
            if (Rune.TryGetRuneAt(text, i, out Rune rune))
            {
                i += rune.Utf16SequenceLength;
            }
            else
            {
                repaired ??= text.ToCharArray();
                repaired[i++] = '\uFFFD';
            }
        }

        return repaired is null ? text : new string(repaired);
    }
}
