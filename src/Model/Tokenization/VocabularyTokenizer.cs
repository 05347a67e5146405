using System.Runtime.InteropServices;
using System.Text;
using ServingGrid.Model.Tokenization.Merging;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tokenization;

/// <summary>What the tokenizers of all vocabularies have in common: special tokens around and inside a text, and the way back.</summary>
internal abstract class VocabularyTokenizer : Tokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly SpecialTokenSplitter _splitter;
    private readonly bool _addBos;
    private readonly bool _addEos;

    // Bytes of all tokens, one after the other: those of token i end where those of token i + 1 start.
    private readonly byte[] _bytes;
    private readonly int[] _byteStarts;

    /// <exception cref="Gguf.GgufException">A BOS or EOS is to be added that the file does not name.</exception>
    protected VocabularyTokenizer(Vocabulary vocabulary, bool addBos)
    {
        _vocabulary = vocabulary;
        _splitter = new SpecialTokenSplitter(vocabulary);
        VocabularyDefinition definition = vocabulary.Definition;
        if (definition is { AddBos: true, Bos: null })
        {
            throw definition.Broken("key 'tokenizer.ggml.add_bos_token' asks for a token that 'tokenizer.ggml.bos_token_id' does not name");
        }

        if (definition is { AddEos: true, Eos: null })
        {
            throw definition.Broken("key 'tokenizer.ggml.add_eos_token' asks for a token that 'tokenizer.ggml.eos_token_id' does not name");
        }

        _addBos = definition.AddBos ?? (addBos && definition.Bos is not null);
        _addEos = definition.AddEos ?? false;

        var bytes = new MemoryStream();
        _byteStarts = new int[vocabulary.Count + 1];
        for (int id = 0; id < vocabulary.Count; id++)
        {
            bytes.Write(BytesOf(id));
            _byteStarts[id + 1] = (int)bytes.Length;
        }

        _bytes = bytes.ToArray();
    }

    /// <inheritdoc/>
    public sealed override int VocabularySize => _vocabulary.Count;

    /// <inheritdoc/>
    public sealed override int? BosToken => _vocabulary.Definition.Bos;

    /// <inheritdoc/>
    public sealed override int? EosToken => _vocabulary.Definition.Eos;

    /// <inheritdoc/>
    public sealed override IReadOnlyList<int> EndOfGenerationTokens => _vocabulary.EndOfGeneration;

    protected Vocabulary Vocabulary => _vocabulary;

    /// <summary>
    /// Most bytes of a text (in UTF-8) that one token stands for, but for white space that special tokens swallow; null where text may
    /// become fewer tokens than any such number says.
    /// </summary>
    protected abstract int? LongestToken { get; }

    /// <inheritdoc/>
    public sealed override long? MostBytes(int tokens) => _vocabulary.SwallowsSpace ? null : LongestToken * Math.Max(0L, tokens);

    /// <summary>True when so much text cannot be <paramref name="tokens"/> tokens; for others it may be too much as well.</summary>
    protected bool MustExceed(ReadOnlySpan<char> text, int tokens)
    {
        // Of UTF-16 units there are no more than bytes, and no fewer than a third.
        return MostBytes(tokens) is { } most && (text.Length > most || (text.Length > most / 3 && Encoding.UTF8.GetByteCount(text) > most));
    }

    /// <inheritdoc/>
    public sealed override int[] Encode(string text, bool addSpecial, bool parseSpecial) =>
        Encode(text, addSpecial, parseSpecial, new EncodeScratch());

    /// <inheritdoc/>
    public sealed override int[]? TryEncode(string text, bool addSpecial, bool parseSpecial, int maxTokens)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (MustExceed(text, maxTokens))
        {
            return null;
        }

        var scratch = new EncodeScratch { MaxTokens = maxTokens };
        int[] tokens = Encode(text, addSpecial, parseSpecial, scratch);
        return scratch.IsFull ? null : tokens;
    }

    /// <summary>As the public one, with the memory to use, which also counts the work and may say how many tokens are of use.</summary>
    internal int[] Encode(string text, bool addSpecial, bool parseSpecial, EncodeScratch scratch)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = UnicodeText.WithoutUnpairedSurrogates(text);
        if (addSpecial && _addBos)
        {
            scratch.Output.Add(BosToken!.Value);
        }

        bool afterSpecial = true;
        foreach (SpecialTokenSplitter.Fragment fragment in _splitter.Split(text, parseSpecial, scratch))
        {
            if (scratch.IsFull)
            {
                break;
            }

            if (fragment.Token >= 0)
            {
                scratch.Output.Add(fragment.Token);
            }
            else
            {
                EncodeText(text.AsSpan(fragment.Start, fragment.End - fragment.Start), afterSpecial, scratch);
            }

            afterSpecial = fragment.Token >= 0;
        }

        if (addSpecial && _addEos)
        {
            scratch.Output.Add(EosToken!.Value);
        }

        return CollectionsMarshal.AsSpan(scratch.Output).ToArray();
    }

    /// <inheritdoc/>
    public sealed override ReadOnlyMemory<byte> TokenBytes(int token, bool special = false)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)token, (uint)VocabularySize, nameof(token));
        return !special && IsControl(token) ? default : _bytes.AsMemory(_byteStarts[token].._byteStarts[token + 1]);
    }

    /// <inheritdoc/>
    public sealed override string TokenPiece(int token)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)token, (uint)VocabularySize, nameof(token));
        return _vocabulary.Pieces[token];
    }

    /// <inheritdoc/>
    public sealed override bool IsControl(int token)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)token, (uint)VocabularySize, nameof(token));
        return _vocabulary.Is(token, TokenAttributes.Control | TokenAttributes.Unknown);
    }

    /// <inheritdoc/>
    public sealed override byte[] Decode(ReadOnlySpan<int> tokens, bool special = false)
    {
        var bytes = new MemoryStream(tokens.Length * 4);
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<byte> token = TokenBytes(tokens[i], special).Span;
            bytes.Write(i == 0 && RemovesLeadingSpace && token is [(byte)' ', ..] ? token[1..] : token);
        }

        return bytes.ToArray();
    }

    /// <summary>Appends the ids of a text without special tokens to the output.</summary>
    /// <param name="text">Not empty, without unpaired surrogates.</param>
    /// <param name="afterSpecial">The text comes first or follows a special token.</param>
    /// <param name="scratch">Memory to use.</param>
    protected abstract void EncodeText(ReadOnlySpan<char> text, bool afterSpecial, EncodeScratch scratch);

    /// <summary>Bytes of a token, control tokens included. Called while the vocabulary alone is set.</summary>
    protected abstract byte[] BytesOf(int id);
}
