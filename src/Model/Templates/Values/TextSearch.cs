namespace ServingGrid.Model.Templates.Values;

/// <summary>
/// Finds one string in others in linear time: short needles by the framework's search, whose worst case is needle × text, and
/// long ones by Knuth, Morris and Pratt.
/// </summary>
internal sealed class TextSearch
{
    private const int ShortNeedle = 32;

    private readonly string _needle;
    private readonly int[]? _fallback;

    public TextSearch(string needle)
    {
        _needle = needle;
        if (needle.Length > ShortNeedle)
        {
            _fallback = Fallback(needle);
        }
    }

    /// <summary>First index at or after <paramref name="from"/>; −1 where there is none.</summary>
    public int IndexOf(string text, int from)
    {
        if (_fallback is null)
        {
            int index = text.AsSpan(from).IndexOf(_needle, StringComparison.Ordinal);
            return index < 0 ? -1 : from + index;
        }

        for (int i = from, matched = 0; i < text.Length; i++)
        {
            while (matched > 0 && text[i] != _needle[matched])
            {
                matched = _fallback[matched - 1];
            }

            matched += text[i] == _needle[matched] ? 1 : 0;
            if (matched == _needle.Length)
            {
                return i - matched + 1;
            }
        }

        return -1;
    }

    /// <summary>Where the needle occurs, not overlapping, at most <paramref name="limit"/> times. The needle must not be empty.</summary>
    public List<int> All(string text, int limit = int.MaxValue)
    {
        var found = new List<int>();
        for (int i = IndexOf(text, 0); i >= 0 && found.Count < limit; i = IndexOf(text, i + _needle.Length))
        {
            found.Add(i);
        }

        return found;
    }

    /// <summary>For each prefix of the needle the length of its longest proper border.</summary>
    private static int[] Fallback(string needle)
    {
        int[] fallback = new int[needle.Length];
        for (int i = 1, border = 0; i < needle.Length; i++)
        {
            while (border > 0 && needle[i] != needle[border])
            {
                border = fallback[border - 1];
            }

            border += needle[i] == needle[border] ? 1 : 0;
            fallback[i] = border;
        }

        return fallback;
    }
}
