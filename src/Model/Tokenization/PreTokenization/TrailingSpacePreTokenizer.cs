namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>Isolates the white space at the end of a piece: <c>\s+$</c>.</summary>
internal sealed class TrailingSpacePreTokenizer : PreTokenizer
{
    /// <inheritdoc/>
    public override int NextPiece(ReadOnlySpan<char> text, int start)
    {
        int end = text.Length;
        while (end > start && char.IsWhiteSpace(text[end - 1]))
        {
            end--;
        }

        return end > start ? end : text.Length;
    }
}
