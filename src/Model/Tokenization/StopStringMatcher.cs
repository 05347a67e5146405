namespace ServingGrid.Model.Tokenization;

/// <summary>
/// Finds the first stop string in a text that arrives in pieces, and holds back what may be the start of one. The first is
/// the one that is complete first (of those complete at the same place, the longest), so that the outcome does not depend on
/// how the text is cut. Takes time linear in the text (Knuth, Morris and Pratt, 1977). For one text and one thread at a time.
/// </summary>
public sealed class StopStringMatcher
{
    private readonly string[] _stops;
    private readonly int[][] _failures;

    // How much of each stop string the text so far ends with.
    private readonly int[] _matched;
    private string _held = "";

    /// <param name="stops">Stop strings, none of them empty; there may be none at all.</param>
    public StopStringMatcher(IEnumerable<string> stops)
    {
        // Longest first: of two that are complete at the same place it is the one to find.
        _stops = [.. stops.Distinct(StringComparer.Ordinal).OrderByDescending(stop => stop.Length)];
        if (_stops.Contains(""))
        {
            throw new ArgumentException("A stop string is empty.", nameof(stops));
        }

        _failures = Array.ConvertAll(_stops, Failures);
        _matched = new int[_stops.Length];
    }

    /// <summary>The stop string that was found, or null so far.</summary>
    public string? Found { get; private set; }

    /// <summary>
    /// The text that is certain now to come before any stop string. Nothing of a stop string that was found, nor of what comes
    /// after it, is ever given.
    /// </summary>
    public string Append(string piece)
    {
        if (Found is not null)
        {
            return "";
        }

        string text = _held + piece;
        for (int i = _held.Length; i < text.Length; i++)
        {
            if (Step(text[i]) is { } found)
            {
                Found = found;
                _held = "";
                return text[..(i + 1 - found.Length)];
            }
        }

        int held = _matched.Length == 0 ? 0 : _matched.Max();
        _held = text[(text.Length - held)..];
        return text[..(text.Length - held)];
    }

    /// <summary>The text ends here: what was held back. Empty if a stop string was found.</summary>
    public string Flush()
    {
        string held = _held;
        _held = "";
        Array.Clear(_matched);
        return held;
    }

    private string? Step(char c)
    {
        string? found = null;
        for (int s = 0; s < _stops.Length; s++)
        {
            int matched = _matched[s];
            while (matched > 0 && _stops[s][matched] != c)
            {
                matched = _failures[s][matched - 1];
            }

            _matched[s] = matched += _stops[s][matched] == c ? 1 : 0;
            if (matched == _stops[s].Length)
            {
                found ??= _stops[s];
                _matched[s] = 0;
            }
        }

        return found;
    }

    // By length − 1 of a prefix: the length of its longest proper suffix that is a prefix, too.
    private static int[] Failures(string stop)
    {
        var failures = new int[stop.Length];
        for (int i = 1, length = 0; i < stop.Length; i++)
        {
            while (length > 0 && stop[i] != stop[length])
            {
                length = failures[length - 1];
            }

            failures[i] = length += stop[i] == stop[length] ? 1 : 0;
        }

        return failures;
    }
}
