namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>
/// A set of characters: classes, and ranges of code points, from which white space beyond ASCII is left out as in llama.cpp.
/// Immutable.
/// </summary>
internal sealed class CharacterSet
{
    private readonly CharacterClass _classes;
    private readonly int[] _first;
    private readonly int[] _last;

    /// <param name="classes">Every character of these classes.</param>
    /// <param name="ranges">Characters and ranges as in a regular expression: "A-Za-z$+"; a hyphen stands first or last.</param>
    public CharacterSet(CharacterClass classes, string ranges = "")
    {
        _classes = classes;
        int[] runes = [.. ranges.EnumerateRunes().Select(rune => rune.Value)];
        var parsed = new List<(int First, int Last)>();
        for (int i = 0; i < runes.Length; i++)
        {
            bool range = i + 2 < runes.Length && runes[i + 1] == '-';
            parsed.Add((runes[i], runes[range ? i + 2 : i]));
            i += range ? 2 : 0;
        }

        parsed.Sort();
        _first = [.. parsed.Select(range => range.First)];
        _last = [.. parsed.Select(range => range.Last)];
    }

    /// <summary>True if the character that starts at <paramref name="index"/> is in the set; <paramref name="length"/> is 1 or 2.</summary>
    public bool Contains(ReadOnlySpan<char> text, int index, out int length)
    {
        CharacterClass kind = CharacterClasses.At(text, index, out length);
        if ((kind & _classes) != 0)
        {
            return true;
        }

        if (_first.Length == 0 || (kind == CharacterClass.WhiteSpace && text[index] > 0x7F))
        {
            return false;
        }

        int codePoint = length == 1 ? text[index] : char.ConvertToUtf32(text[index], text[index + 1]);
        int at = Array.BinarySearch(_first, codePoint);
        return at >= 0 || (at != -1 && codePoint <= _last[~at - 1]);
    }
}
