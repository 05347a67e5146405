using System.Buffers;
using System.Text;

namespace ServingGrid.Model.Tokenization.Vocabularies;

/// <summary>
/// Finds at each place of a text the longest token that is written there: the automaton of Aho and Corasick ("Efficient string matching", 1975) over the
/// tokens from back to front, which reads the text from its end. Ranks order the tokens: longer ones (in UTF-8) first, then by id. Immutable.
/// </summary>
internal sealed class SpecialTokenIndex
{
    private const int Root = 0;
    private const int None = -1;

    // By rank. "Shorter" is the next token that begins like this one; "leap" goes several of those at once, so that many are passed in few steps
    // (Myers, "An applicative random-access stack", 1983).
    private readonly int[] _ids;
    private readonly int[] _lengths;
    private readonly int[] _shorter;
    private readonly int[] _leap;

    // By state. The edges of a state lie from its first edge to that of the next state, ascending by character.
    private readonly int[] _firstEdge;
    private readonly char[] _characters;
    private readonly int[] _targets;
    private readonly int[] _fallback;
    private readonly int[] _longest;

    private readonly SearchValues<char> _lastCharacters;

    /// <param name="vocabulary">Of several tokens with the same text the first is found.</param>
    /// <param name="ids">Tokens to look for.</param>
    public SpecialTokenIndex(Vocabulary vocabulary, IEnumerable<int> ids)
    {
        _ids = [.. ids.DistinctBy(id => vocabulary.Pieces[id]).OrderByDescending(id => Encoding.UTF8.GetByteCount(vocabulary.Pieces[id]))];
        _lengths = [.. _ids.Select(id => vocabulary.Pieces[id].Length)];
        (int[] parents, char[] characters, int[] ranks) = Grow([.. _ids.Select(id => vocabulary.Pieces[id])]);
        (_firstEdge, _characters, _targets) = Edges(parents, characters);
        _fallback = new int[parents.Length];
        _longest = ranks;
        _shorter = new int[_ids.Length];
        _leap = new int[_ids.Length];
        Link();
        LinkLeaps();
        _lastCharacters = SearchValues.Create(_characters.AsSpan(0, _firstEdge[Root + 1]));
    }

    /// <summary>The token of a rank.</summary>
    public int Id(int rank) => _ids[rank];

    /// <summary>Its length in UTF-16 units.</summary>
    public int Length(int rank) => _lengths[rank];

    /// <summary>Tells <paramref name="found"/> rank and start of the longest token at each place that has one, from the end of the text to its beginning.</summary>
    /// <returns>Steps taken: at most two for each character.</returns>
    public long Find(ReadOnlySpan<char> text, Action<int, int> found)
    {
        long steps = 0;
        int state = Root;
        for (int at = text.Length - 1; at >= 0; at--)
        {
            if (state == Root)
            {
                at = text[..(at + 1)].LastIndexOfAny(_lastCharacters);
                if (at < 0)
                {
                    break;
                }
            }

            int next;
            while ((next = Next(state, text[at])) == None && state != Root)
            {
                state = _fallback[state];
                steps++;
            }

            state = Math.Max(next, Root);
            steps++;
            if (_longest[state] != None)
            {
                found(_longest[state], at);
            }
        }

        return steps;
    }

    /// <summary>The longest token that <paramref name="rank"/> begins with and that has at most <paramref name="length"/> units; negative if there is none.</summary>
    public int Fit(int rank, int length, ref long steps)
    {
        while (rank != None && _lengths[rank] > length)
        {
            int leap = _leap[rank];
            rank = leap != None && _lengths[leap] > length ? leap : _shorter[rank];
            steps++;
        }

        return rank;
    }

    /// <summary>The tree of the texts from back to front: of each state its parent, the character that leads to it, and the rank of the token that it completes.</summary>
    private static (int[] Parents, char[] Characters, int[] Ranks) Grow(string[] texts)
    {
        List<int> parents = [None];
        List<char> characters = ['\0'];
        List<int> ranks = [None];
        List<int> path = [Root];
        string last = "";
        foreach ((string text, int rank) in texts.Select((text, rank) => (Reversed(text), rank)).OrderBy(pair => pair.Item1, StringComparer.Ordinal))
        {
            // Sorted, so that what it shares with any text before it, it shares with the last one.
            int shared = text.AsSpan().CommonPrefixLength(last);
            path.RemoveRange(shared + 1, path.Count - shared - 1);
            foreach (char character in text.AsSpan(shared))
            {
                parents.Add(path[^1]);
                characters.Add(character);
                ranks.Add(None);
                path.Add(parents.Count - 1);
            }

            ranks[path[^1]] = rank;
            last = text;
        }

        return ([.. parents], [.. characters], [.. ranks]);
    }

    private static string Reversed(string text) => string.Create(text.Length, text, static (span, text) =>
    {
        text.CopyTo(span);
        span.Reverse();
    });

    private static (int[] First, char[] Characters, int[] Targets) Edges(int[] parents, char[] characters)
    {
        int[] first = new int[parents.Length + 1];
        for (int state = 1; state < parents.Length; state++)
        {
            first[parents[state] + 1]++;
        }

        for (int state = 0; state < parents.Length; state++)
        {
            first[state + 1] += first[state];
        }

        // States are numbered in the order of their texts: the edges of each come out sorted.
        int[] next = first[..^1];
        var (edges, targets) = (new char[parents.Length - 1], new int[parents.Length - 1]);
        for (int state = 1; state < parents.Length; state++)
        {
            int edge = next[parents[state]]++;
            (edges[edge], targets[edge]) = (characters[state], state);
        }

        return (first, edges, targets);
    }

    private int Next(int state, char character)
    {
        int first = _firstEdge[state];
        int edge = _characters.AsSpan(first, _firstEdge[state + 1] - first).BinarySearch(character);
        return edge < 0 ? None : _targets[first + edge];
    }

    // Nearer states first: a state falls back to one that is nearer to the root.
    private void Link()
    {
        var queue = new Queue<int>([Root]);
        while (queue.TryDequeue(out int state))
        {
            for (int edge = _firstEdge[state]; edge < _firstEdge[state + 1]; edge++)
            {
                int target = _targets[edge];
                int fallback = state == Root ? Root : Follow(_fallback[state], _characters[edge]);
                _fallback[target] = fallback;
                if (_longest[target] is not None and int rank)
                {
                    _shorter[rank] = _longest[fallback];
                }
                else
                {
                    _longest[target] = _longest[fallback];
                }

                queue.Enqueue(target);
            }
        }
    }

    private int Follow(int state, char character)
    {
        int next;
        while ((next = Next(state, character)) == None && state != Root)
        {
            state = _fallback[state];
        }

        return Math.Max(next, Root);
    }

    private void LinkLeaps()
    {
        int[] depth = new int[_ids.Length];
        for (int rank = _ids.Length - 1; rank >= 0; rank--)
        {
            int shorter = _shorter[rank];
            if (shorter == None)
            {
                _leap[rank] = None;
                continue;
            }

            depth[rank] = depth[shorter] + 1;
            int leap = _leap[shorter];
            _leap[rank] = leap != None && _leap[leap] != None && depth[shorter] - depth[leap] == depth[leap] - depth[_leap[leap]] ? _leap[leap] : shorter;
        }
    }
}
