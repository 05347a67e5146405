namespace ServingGrid.Model.Tokenization;

/// <summary>
/// Text to token ids and back, as the vocabulary of a model file defines it. Immutable and safe to use from any thread.
/// </summary>
public abstract class Tokenizer
{
    /// <summary>Number of token ids: valid ids are 0 … VocabularySize − 1.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Beginning-of-sequence token, or null.</summary>
    public abstract int? BosToken { get; }

    /// <summary>End-of-sequence token, or null.</summary>
    public abstract int? EosToken { get; }

    /// <summary>Tokens that end an answer (eos, eot, eom …), in ascending order.</summary>
    public abstract IReadOnlyList<int> EndOfGenerationTokens { get; }

    /// <summary>
    /// Token ids of <paramref name="text"/>. Linear time in the length of the text, whatever it holds.
    /// </summary>
    /// <param name="text">Any UTF-16 text; unpaired surrogates are encoded as U+FFFD.</param>
    /// <param name="addSpecial">Add the tokens that the file asks for around a text (BOS, EOS).</param>
    /// <param name="parseSpecial">Recognise special tokens written out in the text (as chat templates do).</param>
    public abstract int[] Encode(string text, bool addSpecial, bool parseSpecial);

    /// <summary>
    /// Most bytes of text, in UTF-8, that become no more than <paramref name="tokens"/> tokens; null where nothing can be said without
    /// looking at the text.
    /// </summary>
    public virtual long? MostBytes(int tokens) => null;

    /// <summary>
    /// <see cref="Encode"/>, given up as soon as it is certain that there are more tokens than wanted: a text that is far too long costs no
    /// more than one that just fits, and often no more than a look at its length.
    /// </summary>
    /// <param name="text">Any UTF-16 text.</param>
    /// <param name="addSpecial"><see cref="Encode"/></param>
    /// <param name="parseSpecial"><see cref="Encode"/></param>
    /// <param name="maxTokens">Most tokens that are of use.</param>
    /// <returns>Null: there are more.</returns>
    public virtual int[]? TryEncode(string text, bool addSpecial, bool parseSpecial, int maxTokens) =>
        Encode(text, addSpecial, parseSpecial) is var tokens && tokens.Length <= maxTokens ? tokens : null;

    /// <summary>The bytes that a token stands for; empty for control tokens unless <paramref name="special"/>.</summary>
    public abstract ReadOnlyMemory<byte> TokenBytes(int token, bool special = false);

    /// <summary>The token's piece as the vocabulary spells it ("▁the", "Ġthe", "&lt;|im_end|&gt;").</summary>
    public abstract string TokenPiece(int token);

    /// <summary>True for a control token ("&lt;|im_start|&gt;"), which is not part of an answer's text.</summary>
    public abstract bool IsControl(int token);

    /// <summary>
    /// Bytes of a whole token sequence (a leading space that the vocabulary adds is removed, as the file asks for);
    /// not always valid UTF-8, since a token may hold a part of a character.
    /// </summary>
    public abstract byte[] Decode(ReadOnlySpan<int> tokens, bool special = false);

    /// <summary>
    /// True if <see cref="Decode"/> takes away the first byte of a text that starts with a space, because the vocabulary adds
    /// one to every text that it encodes.
    /// </summary>
    public virtual bool RemovesLeadingSpace => false;

    /// <summary>
    /// <see cref="Decode"/>, and then, where the vocabulary is used so, without spaces before punctuation and contractions
    /// (Hugging Face's <c>clean_up_tokenization_spaces</c>). For comparison with other programs: it loses what was written
    /// ("b != c" becomes "b!= c"), and what a model generates is never cleaned up.
    /// </summary>
    public virtual byte[] Detokenize(ReadOnlySpan<int> tokens, bool special = false) => Decode(tokens, special);
}
