using System.Text;
using ServingGrid.Model.Tokenization.Merging;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tokenization.SentencePiece;

/// <summary>
/// The merges of a SentencePiece BPE vocabulary, which lists none: two neighbours merge if what they spell is a token, tokens
/// with a higher score first. A symbol is a token or, from the size of the vocabulary on, a character that is no token
/// but a part of one. Immutable once built.
/// </summary>
internal sealed class ScoredMerges
{
    /// <summary>In place of a symbol: the character is in no token.</summary>
    public const int Absent = -1;

    // A vocabulary in use needs a hundredth of this; a file made to stall loading would need more.
    private const long MostWork = 4L << 30;

    private readonly int[] _basic = new int[0x10000];
    private readonly Dictionary<int, int> _astral = [];
    private readonly List<Rune> _others = [];
    private readonly int _tokens;

    // Characters that stand next to each other in some token. No merge crosses two that do not.
    private readonly PairTable _neighbours = new();

    /// <exception cref="Gguf.GgufException">The tokens are too long in all.</exception>
    public ScoredMerges(Vocabulary vocabulary)
    {
        if (vocabulary.Pieces.Sum(piece => (long)piece.Length * piece.Length) > MostWork)
        {
            throw vocabulary.Definition.Broken("the tokens are too long in all");
        }

        Array.Fill(_basic, Absent);
        _tokens = vocabulary.Count;
        for (int id = 0; id < vocabulary.Count; id++)
        {
            foreach (Rune rune in vocabulary.Pieces[id].EnumerateRunes())
            {
                if (OfCharacter(rune) == Absent)
                {
                    Set(rune, vocabulary.Find(rune.ToString()) ?? NewSymbol(rune));
                }
            }
        }

        for (int id = 0; id < vocabulary.Count; id++)
        {
            // Of tokens with the same text the last one counts.
            if (vocabulary.Find(vocabulary.Pieces[id]) == id)
            {
                AddPairs(vocabulary, id);
            }
        }
    }

    public PairTable Pairs { get; } = new();

    /// <summary>The symbol of a character, or <see cref="Absent"/>.</summary>
    public int OfCharacter(Rune rune) => rune.IsBmp ? _basic[rune.Value] : _astral.GetValueOrDefault(rune.Value, Absent);

    /// <summary>The character of a symbol that is no token.</summary>
    public Rune CharacterOf(int symbol) => _others[symbol - _tokens];

    /// <summary>True if a merge may cross two neighbouring characters, given by symbol.</summary>
    public bool MayJoin(int left, int right) => left != Absent && right != Absent && _neighbours.Contains(left, right);

    private int NewSymbol(Rune rune)
    {
        _others.Add(rune);
        return _tokens + _others.Count - 1;
    }

    private void Set(Rune rune, int symbol)
    {
        if (rune.IsBmp)
        {
            _basic[rune.Value] = symbol;
        }
        else
        {
            _astral[rune.Value] = symbol;
        }
    }

    private void AddPairs(Vocabulary vocabulary, int id)
    {
        ReadOnlySpan<char> piece = vocabulary.Pieces[id];
        uint priority = Priority(vocabulary.Definition.Scores?[id] ?? 0);
        int before = Absent;
        for (int at = 0; at < piece.Length;)
        {
            Rune.DecodeFromUtf16(piece[at..], out Rune rune, out int length);
            int character = OfCharacter(rune);
            if (at > 0)
            {
                _neighbours.TryAdd(before, character, 0, 0);
                if (Symbol(vocabulary, piece[..at]) is var left and >= 0 && Symbol(vocabulary, piece[at..]) is var right and >= 0)
                {
                    Pairs.TryAdd(left, right, priority, id);
                }
            }

            before = character;
            at += length;
        }
    }

    private int Symbol(Vocabulary vocabulary, ReadOnlySpan<char> text) =>
        vocabulary.Find(text) is { } token ? token
        : Rune.DecodeFromUtf16(text, out Rune rune, out int length) == System.Buffers.OperationStatus.Done && length == text.Length ? OfCharacter(rune)
        : Absent;

    /// <summary>Higher scores give smaller numbers, equal ones (also 0 and −0) the same.</summary>
    private static uint Priority(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        uint ascending = (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
        return ~ascending;
    }
}
