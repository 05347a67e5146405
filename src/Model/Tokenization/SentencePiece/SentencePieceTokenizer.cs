using System.Text;
using ServingGrid.Model.Tokenization.Merging;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tokenization.SentencePiece;

/// <summary>
/// SentencePiece's byte-pair encoding (Kudo and Richardson, 2018) as llama.cpp does it: spaces become "▁", the whole text is
/// merged by score, and characters that are no token become byte tokens.
/// </summary>
internal sealed class SentencePieceTokenizer : VocabularyTokenizer
{
    private const char Space = '▁';

    private readonly ScoredMerges _merges;
    private readonly int[] _byteTokens;
    private readonly bool _addSpacePrefix;

    // Words that are one token, by their text: most words of an ordinary text need no merging.
    private readonly Dictionary<string, int> _words;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _wordsBySpan;

    /// <exception cref="Gguf.GgufException">The vocabulary is inconsistent.</exception>
    public SentencePieceTokenizer(Vocabulary vocabulary)
        : base(vocabulary, addBos: true)
    {
        _merges = new ScoredMerges(vocabulary);
        _addSpacePrefix = vocabulary.Definition.AddSpacePrefix ?? true;
        int unknown = vocabulary.Definition.Unknown ?? 0;
        _byteTokens =
        [
            .. Enumerable.Range(0, 256).Select(value =>
                vocabulary.Find(ByteToken.Piece((byte)value)) ?? (value < 0x80 ? vocabulary.Find(((char)value).ToString()) : null) ?? unknown),
        ];

        _words = new Dictionary<string, int>(vocabulary.Count);
        var scratch = new EncodeScratch();
        for (int id = 0; id < vocabulary.Count; id++)
        {
            scratch.Output.Clear();
            EncodeWord(vocabulary.Pieces[id], scratch);
            if (scratch.Output is [var token] && token == id)
            {
                _words[vocabulary.Pieces[id]] = id;
            }
        }

        _wordsBySpan = _words.GetAlternateLookup<ReadOnlySpan<char>>();
        LongestToken = vocabulary.Pieces.Max(Encoding.UTF8.GetByteCount);
    }

    /// <inheritdoc/>
    public override bool RemovesLeadingSpace => Vocabulary.Definition.AddSpacePrefix ?? true;

    /// <summary>A character that is in no token becomes one for each of its bytes, and a space is spelled in three.</summary>
    protected override int? LongestToken { get; }

    /// <inheritdoc/>
    protected override void EncodeText(ReadOnlySpan<char> text, bool afterSpecial, EncodeScratch scratch)
    {
        int prefix = afterSpecial && _addSpacePrefix ? 1 : 0;
        Span<char> spelled = scratch.Characters(prefix + text.Length);
        spelled[0] = Space;
        text.Replace(spelled[prefix..], ' ', Space);

        int start = 0;
        int before = -1;
        for (int at = 0; at < spelled.Length && !scratch.IsFull;)
        {
            Rune rune = Next(spelled, at, out int length);
            int symbol = _merges.OfCharacter(rune);
            if (at > start && !_merges.MayJoin(before, symbol))
            {
                EncodeKnownWord(spelled[start..at], scratch);
                start = at;
            }

            before = symbol;
            at += length;
        }

        scratch.Steps += spelled.Length;
        if (!scratch.IsFull)
        {
            EncodeKnownWord(spelled[start..], scratch);
        }
    }

    /// <inheritdoc/>
    protected override byte[] BytesOf(int id)
    {
        string piece = Vocabulary.Pieces[id];
        return Vocabulary.Is(id, SpecialTokenSplitter.Recognised) ? Encoding.UTF8.GetBytes(piece)
            : Vocabulary.Is(id, TokenAttributes.Normal) ? Encoding.UTF8.GetBytes(piece.Replace(Space, ' '))
            : Vocabulary.Is(id, TokenAttributes.Byte) && ByteToken.TryParse(piece, out byte value) ? [value]
            : [];
    }

    private static Rune Next(ReadOnlySpan<char> text, int at, out int length)
    {
        Rune.DecodeFromUtf16(text[at..], out Rune rune, out length);
        return rune;
    }

    private void EncodeKnownWord(ReadOnlySpan<char> word, EncodeScratch scratch)
    {
        scratch.Steps++;
        if (word.Length <= VocabularyDefinition.MaximumTokenLength && _wordsBySpan.TryGetValue(word, out int token))
        {
            scratch.Output.Add(token);
        }
        else if (MustExceed(word, scratch.Room))
        {
            scratch.Exceed();
        }
        else
        {
            EncodeWord(word, scratch);
        }
    }

    private void EncodeWord(ReadOnlySpan<char> word, EncodeScratch scratch)
    {
        Span<int> symbols = scratch.Symbols(word.Length);
        int count = 0;
        for (int at = 0; at < word.Length;)
        {
            Rune rune = Next(word, at, out int length);
            symbols[count] = _merges.OfCharacter(rune);
            if (symbols[count++] == ScoredMerges.Absent)
            {
                // No merge crosses it: it is a word of its own.
                AddBytes(rune, scratch.Output);
                return;
            }

            at += length;
        }

        foreach (int symbol in symbols[..SymbolMerger.Merge(symbols[..count], _merges.Pairs, scratch)])
        {
            if (symbol < VocabularySize)
            {
                scratch.Output.Add(symbol);
            }
            else
            {
                AddBytes(_merges.CharacterOf(symbol), scratch.Output);
            }
        }
    }

    private void AddBytes(Rune character, List<int> output)
    {
        Span<byte> utf8 = stackalloc byte[4];
        foreach (byte value in utf8[..character.EncodeToUtf8(utf8)])
        {
            output.Add(_byteTokens[value]);
        }
    }
}
