namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>A stage whose expression does not cover every text: what lies between two matches is a piece, too.</summary>
internal abstract class MatchPreTokenizer : PreTokenizer
{
    /// <inheritdoc/>
    public sealed override int NextPiece(ReadOnlySpan<char> text, int start)
    {
        int end = Match(text, start);
        if (end > start)
        {
            return end;
        }

        do
        {
            CharacterClasses.At(text, start, out int length);
            start += length;
        }
        while (start < text.Length && !IsStart(text, start));
        return start;
    }

    /// <summary>End of the match at <paramref name="start"/>, or <paramref name="start"/> itself if there is none.</summary>
    protected abstract int Match(ReadOnlySpan<char> text, int start);

    /// <summary>True if <see cref="Match"/> would succeed; in constant time, so that a gap costs no more than its length.</summary>
    protected abstract bool IsStart(ReadOnlySpan<char> text, int start);
}
