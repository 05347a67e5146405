using ServingGrid.Model.Tokenization;

namespace ServingGrid.Gateway.Tests.Support;

/// <summary>Tokens 0 … 255 are bytes, 256 ends an answer.</summary>
internal sealed class ByteTokenizer : Tokenizer
{
    public const int End = 256;

    public override int VocabularySize => 257;

    public override int? BosToken => null;

    public override int? EosToken => End;

    public override IReadOnlyList<int> EndOfGenerationTokens => [End];

    public override int[] Encode(string text, bool addSpecial, bool parseSpecial) =>
        [.. System.Text.Encoding.UTF8.GetBytes(text).Select(b => (int)b)];

    public override ReadOnlyMemory<byte> TokenBytes(int token, bool special = false) =>
        token == End ? ReadOnlyMemory<byte>.Empty : new[] { (byte)token };

    public override string TokenPiece(int token) => token == End ? "<end>" : ((char)token).ToString();

    public override bool IsControl(int token) => token == End;

    public override byte[] Decode(ReadOnlySpan<int> tokens, bool special = false)
    {
        var bytes = new List<byte>();
        foreach (int token in tokens)
        {
            bytes.AddRange(TokenBytes(token, special).Span);
        }

        return [.. bytes];
    }
}
