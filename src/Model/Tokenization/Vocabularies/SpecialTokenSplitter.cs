using System.Buffers;
using System.Collections;
using System.Text;

namespace ServingGrid.Model.Tokenization.Vocabularies;

/// <summary>
/// Cuts a text at the special tokens that are written out in it. As in llama.cpp, longer tokens go first, each from left to
/// right, and a token is looked for in what the longer ones have left. Time is linear in the text. Immutable.
/// </summary>
internal sealed class SpecialTokenSplitter
{
    /// <summary>Tokens that a text may hold written out.</summary>
    public const TokenAttributes Recognised = TokenAttributes.Control | TokenAttributes.UserDefined | TokenAttributes.Unknown;

    // User-defined tokens are recognised in every text; the others only where the caller asks for it.
    private const TokenAttributes Privileged = TokenAttributes.Control | TokenAttributes.Unknown;

    // Bounds the memory of the search; vocabularies in use have less than a tenth of it.
    private const int MaximumCharacters = 1 << 20;

    private readonly Vocabulary _vocabulary;
    private readonly TokenSet _all;
    private readonly TokenSet _userDefined;

    /// <exception cref="Gguf.GgufException">The special tokens are too long in all.</exception>
    public SpecialTokenSplitter(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        int[] ids = [.. Enumerable.Range(0, vocabulary.Count).Where(id => vocabulary.Is(id, Recognised))];
        if (ids.Sum(id => (long)vocabulary.Pieces[id].Length) is var characters and > MaximumCharacters)
        {
            throw vocabulary.Definition.Broken($"the special tokens have {characters} characters in all (at most {MaximumCharacters} are supported)");
        }

        _all = new TokenSet(vocabulary, ids);
        _userDefined = new TokenSet(vocabulary, [.. ids.Where(id => !vocabulary.Is(id, Privileged))]);
    }

    /// <summary>A special token, or (<see cref="Token"/> &lt; 0) the text from <see cref="Start"/> to <see cref="End"/>.</summary>
    public readonly record struct Fragment(int Token, int Start, int End);

    /// <summary>The fragments of a text in order; none is empty.</summary>
    public List<Fragment> Split(string text, bool parseSpecial)
    {
        var fragments = new List<Fragment>();
        int start = 0;
        foreach (Fragment special in Choose(text, (parseSpecial ? _all : _userDefined).Occurrences(text)))
        {
            if (special.Start > start)
            {
                fragments.Add(new Fragment(-1, start, special.Start));
            }

            fragments.Add(special);
            start = special.End;
        }

        if (start < text.Length)
        {
            fragments.Add(new Fragment(-1, start, text.Length));
        }

        return fragments;
    }

    // Of overlapping occurrences the one that goes first; white space that a token swallows counts as a part of it.
    private List<Fragment> Choose(string text, List<Occurrence> occurrences)
    {
        var chosen = new List<Fragment>(occurrences.Count);
        if (occurrences.Count == 0)
        {
            return chosen;
        }

        occurrences.Sort();
        var taken = new BitArray(text.Length);
        foreach ((_, int start, int id) in occurrences)
        {
            int end = start + _vocabulary.Pieces[id].Length;
            if (AnyTaken(start, end))
            {
                continue;
            }

            while (_vocabulary.Is(id, TokenAttributes.StripRight) && end < text.Length && !taken[end] && text[end] is ' ' or (>= '\t' and <= '\r'))
            {
                end++;
            }

            chosen.Add(new Fragment(id, start, end));
            for (int i = start; i < end; i++)
            {
                taken[i] = true;
            }
        }

        chosen.Sort((a, b) => a.Start.CompareTo(b.Start));
        return chosen;

        bool AnyTaken(int start, int end)
        {
            for (int i = start; i < end; i++)
            {
                if (taken[i])
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Ordered by who goes first: rank, then place in the text.</summary>
    private readonly record struct Occurrence(int Rank, int Start, int Token) : IComparable<Occurrence>
    {
        public int CompareTo(Occurrence other) => Rank != other.Rank ? Rank.CompareTo(other.Rank) : Start.CompareTo(other.Start);
    }

    /// <summary>Tokens to look for.</summary>
    private sealed class TokenSet
    {
        private readonly SearchValues<string> _any;
        private readonly Dictionary<string, (int Rank, int Token)> _byText = [];
        private readonly int[] _lengths;

        public TokenSet(Vocabulary vocabulary, int[] ids)
        {
            int rank = 0;
            foreach (int id in ids.OrderByDescending(id => Encoding.UTF8.GetByteCount(vocabulary.Pieces[id])))
            {
                _byText.TryAdd(vocabulary.Pieces[id], (rank++, id));
            }

            _lengths = [.. _byText.Keys.Select(text => text.Length).Distinct()];
            _any = SearchValues.Create([.. _byText.Keys], StringComparison.Ordinal);
        }

        /// <summary>Every place where one of the tokens is written.</summary>
        public List<Occurrence> Occurrences(string text)
        {
            var found = new List<Occurrence>();
            if (_byText.Count == 0)
            {
                return found;
            }

            Dictionary<string, (int Rank, int Token)>.AlternateLookup<ReadOnlySpan<char>> byText = _byText.GetAlternateLookup<ReadOnlySpan<char>>();
            ReadOnlySpan<char> rest = text;
            while (rest.IndexOfAny(_any) is var at and >= 0)
            {
                rest = rest[at..];
                foreach (int length in _lengths)
                {
                    if (length <= rest.Length && byText.TryGetValue(rest[..length], out (int Rank, int Token) token))
                    {
                        found.Add(new Occurrence(token.Rank, text.Length - rest.Length, token.Token));
                    }
                }

                rest = rest[1..];
            }

            return found;
        }
    }
}
