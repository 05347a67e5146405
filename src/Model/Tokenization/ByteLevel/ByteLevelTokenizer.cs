using System.Text;
using ServingGrid.Model.Tokenization.Merging;
using ServingGrid.Model.Tokenization.PreTokenization;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tokenization.ByteLevel;

/// <summary>
/// Byte-level byte-pair encoding as of GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019):
/// text is cut into words, and the bytes of each word are merged.
/// </summary>
internal sealed class ByteLevelTokenizer : VocabularyTokenizer
{
    private readonly PreTokenizerProfile _profile;
    private readonly ByteMerges _merges;

    // Words that are one token, by their text: most words of an ordinary text need no merging.
    private readonly Dictionary<string, int> _words;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _wordsBySpan;

    /// <exception cref="Gguf.GgufException">The vocabulary is inconsistent.</exception>
    public ByteLevelTokenizer(Vocabulary vocabulary, PreTokenizerProfile profile)
        : base(vocabulary, profile.AddBos)
    {
        _profile = profile;
        _merges = new ByteMerges(vocabulary);
        _words = new Dictionary<string, int>(vocabulary.Count);
        var scratch = new EncodeScratch();
        for (int id = 0; id < vocabulary.Count; id++)
        {
            if (ByteAlphabet.DecodeText(vocabulary.Pieces[id]) is { Length: > 0 } word && (profile.IgnoreMerges || MergesInto(word, id, scratch)))
            {
                _words[word] = id;
            }
        }

        _wordsBySpan = _words.GetAlternateLookup<ReadOnlySpan<char>>();

        // A piece of the file's alphabet has a character for each byte; one written out (a special token) has its own bytes.
        LongestToken = _merges.LongestOther is { } other
            ? Math.Max(other, vocabulary.Pieces.Max(Encoding.UTF8.GetByteCount))
            : null;
    }

    /// <inheritdoc/>
    public override bool RemovesLeadingSpace => Vocabulary.Definition.AddSpacePrefix ?? false;

    /// <inheritdoc/>
    public override byte[] Detokenize(ReadOnlySpan<int> tokens, bool special = false)
    {
        byte[] bytes = Decode(tokens, special);
        return _profile.CleanUpSpaces ? SpaceCleanUp.Apply(bytes) : bytes;
    }

    /// <inheritdoc/>
    protected override int? LongestToken { get; }

    /// <inheritdoc/>
    protected override void EncodeText(ReadOnlySpan<char> text, bool afterSpecial, EncodeScratch scratch) => EncodePieces(text, 0, scratch);

    /// <inheritdoc/>
    protected override byte[] BytesOf(int id)
    {
        string piece = Vocabulary.Pieces[id];
        return Vocabulary.Is(id, SpecialTokenSplitter.Recognised) ? Encoding.UTF8.GetBytes(piece)
            : Vocabulary.Is(id, TokenAttributes.Normal) ? ByteAlphabet.Decode(piece)
            : Vocabulary.Is(id, TokenAttributes.Byte) ? ByteToken.TryParse(piece, out byte value) ? [value] : ByteAlphabet.Decode(piece)
            : [];
    }

    private void EncodePieces(ReadOnlySpan<char> text, int stage, EncodeScratch scratch)
    {
        if (stage == _profile.Stages.Length)
        {
            EncodeWord(text, scratch);
            return;
        }

        scratch.Steps += text.Length;
        for (int start = 0; start < text.Length && !scratch.IsFull;)
        {
            int end = _profile.Stages[stage].NextPiece(text, start);
            EncodePieces(text[start..end], stage + 1, scratch);
            start = end;
        }
    }

    private void EncodeWord(ReadOnlySpan<char> word, EncodeScratch scratch)
    {
        scratch.Steps++;
        if (word.Length <= VocabularyDefinition.MaximumTokenLength && _wordsBySpan.TryGetValue(word, out int token))
        {
            scratch.Output.Add(token);
            return;
        }

        if (MustExceed(word, scratch.Room))
        {
            scratch.Exceed();
            return;
        }

        foreach (int symbol in Merge(word, scratch))
        {
            _merges.AddTokens(symbol, scratch.Output);
        }
    }

    private bool MergesInto(string word, int id, EncodeScratch scratch) => Merge(word, scratch) is [var symbol] && symbol == id;

    private ReadOnlySpan<int> Merge(ReadOnlySpan<char> word, EncodeScratch scratch)
    {
        int most = word.Length * 3;
        Span<byte> bytes = most <= 512 ? stackalloc byte[most] : new byte[most];
        bytes = bytes[..Encoding.UTF8.GetBytes(word, bytes)];
        Span<int> symbols = scratch.Symbols(bytes.Length);
        for (int i = 0; i < bytes.Length; i++)
        {
            symbols[i] = _merges.OfByte[bytes[i]];
        }

        return symbols[..SymbolMerger.Merge(symbols, _merges.Pairs, scratch)];
    }
}
