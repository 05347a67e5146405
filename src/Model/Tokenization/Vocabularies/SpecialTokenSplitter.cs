using ServingGrid.Model.Tokenization.Merging;

namespace ServingGrid.Model.Tokenization.Vocabularies;

/// <summary>
/// Cuts a text at the special tokens that are written out in it. As in llama.cpp, longer tokens go first, each from left to
/// right, and a token is looked for in what the longer ones have left. Time is linear in the text but for logarithms, whatever the vocabulary. Immutable.
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
    private readonly SpecialTokenIndex _all;
    private readonly SpecialTokenIndex _userDefined;

    /// <exception cref="Gguf.GgufException">The special tokens are too long in all.</exception>
    public SpecialTokenSplitter(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        int[] ids = [.. Enumerable.Range(0, vocabulary.Count).Where(id => vocabulary.Is(id, Recognised))];
        if (ids.Sum(id => (long)vocabulary.Pieces[id].Length) is var characters and > MaximumCharacters)
        {
            throw vocabulary.Definition.Broken($"the special tokens have {characters} characters in all (at most {MaximumCharacters} are supported)");
        }

        _all = new SpecialTokenIndex(vocabulary, ids);
        _userDefined = new SpecialTokenIndex(vocabulary, ids.Where(id => !vocabulary.Is(id, Privileged)));
    }

    /// <summary>A special token, or (<see cref="Token"/> &lt; 0) the text from <see cref="Start"/> to <see cref="End"/>.</summary>
    public readonly record struct Fragment(int Token, int Start, int End);

    /// <summary>The fragments of a text in order; none is empty.</summary>
    /// <param name="text">Without unpaired surrogates.</param>
    /// <param name="parseSpecial">Look for all special tokens, not only for the user-defined ones.</param>
    /// <param name="scratch">Counts the work.</param>
    public List<Fragment> Split(string text, bool parseSpecial, EncodeScratch scratch)
    {
        var fragments = new List<Fragment>();
        int start = 0;
        foreach (Fragment special in Choose(text, parseSpecial ? _all : _userDefined, scratch))
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

    // Of overlapping tokens the one that goes first; white space that a token swallows counts as a part of it.
    private List<Fragment> Choose(string text, SpecialTokenIndex index, EncodeScratch scratch)
    {
        // By rank, then place. At first the longest token of each place, which makes way for shorter ones of its place when it meets another.
        var candidates = new PriorityQueue<int, long>();
        long steps = index.Find(text, (rank, start) => candidates.Enqueue(start, Priority(rank, start)));
        var chosen = new List<Fragment>();

        // Where the token begins that covers a character, plus 1.
        int[] taken = candidates.Count == 0 ? [] : new int[text.Length];
        while (candidates.TryDequeue(out int start, out long priority))
        {
            steps++;
            int rank = (int)(priority >> 32);
            int end = start + index.Length(rank);
            if (taken[start] > 0)
            {
                continue;
            }

            // What was chosen before is not shorter: if it overlaps, it covers the first or the last character.
            if (taken[end - 1] is > 0 and int other)
            {
                int shorter = index.Fit(rank, other - 1 - start, ref steps);
                if (shorter >= 0)
                {
                    candidates.Enqueue(start, Priority(shorter, start));
                }

                continue;
            }

            int id = index.Id(rank);
            while (_vocabulary.Is(id, TokenAttributes.StripRight) && end < text.Length && taken[end] == 0 && text[end] is ' ' or (>= '\t' and <= '\r'))
            {
                end++;
            }

            chosen.Add(new Fragment(id, start, end));
            taken.AsSpan(start..end).Fill(start + 1);
        }

        scratch.Steps += steps;
        chosen.Sort((a, b) => a.Start.CompareTo(b.Start));
        return chosen;

        static long Priority(int rank, int start) => ((long)rank << 32) | (uint)start;
    }
}
