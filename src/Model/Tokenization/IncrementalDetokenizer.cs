using System.Text;

namespace ServingGrid.Model.Tokenization;

/// <summary>
/// Text of a token sequence as its tokens arrive. What it gives never ends within a character: bytes that start one are kept
/// until the rest is there, and become U+FFFD only when they can no longer be completed. All that it gave, followed by
/// <see cref="Flush"/>, is the UTF-8 text of <see cref="Tokenizer.Decode"/> of all tokens. For one sequence and one thread at a time.
/// </summary>
/// <param name="tokenizer">The tokenizer of the sequence.</param>
/// <param name="continues">
/// The text continues another one (an answer its prompt), so that its first space is its own. Otherwise the space that the
/// vocabulary adds to the start of a text is removed, as <see cref="Tokenizer.Decode"/> does.
/// </param>
/// <param name="special">Write control tokens out.</param>
public sealed class IncrementalDetokenizer(Tokenizer tokenizer, bool continues = true, bool special = false)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private bool _first = true;

    /// <summary>The text that is certain now; often that of the token alone, or empty.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such token.</exception>
    public string Append(int token)
    {
        ReadOnlySpan<byte> bytes = tokenizer.TokenBytes(token, special).Span;
        if (_first && !continues && tokenizer.RemovesLeadingSpace && bytes is [(byte)' ', ..])
        {
            bytes = bytes[1..];
        }

        _first = false;
        return Read(bytes, end: false);
    }

    /// <summary>The end of the text: U+FFFD if it ends within a character, else empty. What is appended next starts a new text.</summary>
    public string Flush()
    {
        _first = true;
        return Read([], end: true);
    }

    private string Read(ReadOnlySpan<byte> bytes, bool end)
    {
        // A byte gives one character at most, and what was kept one more.
        Span<char> characters = bytes.Length < 255 ? stackalloc char[bytes.Length + 1] : new char[bytes.Length + 1];
        int count = _decoder.GetChars(bytes, characters, end);
        return count == 0 ? "" : new string(characters[..count]);
    }
}
