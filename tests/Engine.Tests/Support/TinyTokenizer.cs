using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Support;

/// <summary>One letter for each token of <see cref="TinyTransformer"/>; its failure can be ordered.</summary>
internal sealed class TinyTokenizer : Tokenizer
{
    /// <summary>Runs before a token is turned into text.</summary>
    public Action<int>? OnToken { get; init; }

    public IReadOnlyList<int> EndTokens { get; init; } = [];

    public override int VocabularySize => TinyTransformer.VocabularySize;

    public override int? BosToken => null;

    public override int? EosToken => null;

    public override IReadOnlyList<int> EndOfGenerationTokens => EndTokens;

    public override int[] Encode(string text, bool addSpecial, bool parseSpecial) => [.. text.Select(letter => letter - ' ')];

    public override ReadOnlyMemory<byte> TokenBytes(int token, bool special = false)
    {
        OnToken?.Invoke(token);
        return new[] { (byte)(' ' + token) };
    }

    public override string TokenPiece(int token) => ((char)(' ' + token)).ToString();

    public override bool IsControl(int token) => false;

    public override byte[] Decode(ReadOnlySpan<int> tokens, bool special = false) =>
        [.. tokens.ToArray().Select(token => (byte)(' ' + token))];
}
