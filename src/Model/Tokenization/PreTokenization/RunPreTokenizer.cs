namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>
/// Isolates runs of one kind of character: <c>\s?[set]{length}</c>.
/// </summary>
/// <param name="set">The characters.</param>
/// <param name="leadingSpace">One white space character before the run belongs to it.</param>
/// <param name="exactLength">Number of characters of each piece, or 0 for as many as there are.</param>
internal sealed class RunPreTokenizer(CharacterSet set, bool leadingSpace = false, int exactLength = 0) : MatchPreTokenizer
{
    /// <inheritdoc/>
    protected override int Match(ReadOnlySpan<char> text, int start)
    {
        int at = AfterSpace(text, start);
        int count = 0;
        while (at < text.Length && (exactLength == 0 || count < exactLength) && set.Contains(text, at, out int length))
        {
            at += length;
            count++;
        }

        return count == 0 || count < exactLength ? start : at;
    }

    /// <inheritdoc/>
    protected override bool IsStart(ReadOnlySpan<char> text, int start) => exactLength > 0
        ? Match(text, start) > start
        : AfterSpace(text, start) is var at && at < text.Length && set.Contains(text, at, out _);

    private int AfterSpace(ReadOnlySpan<char> text, int start) =>
        leadingSpace && (CharacterClasses.At(text, start, out int length) & CharacterClass.WhiteSpace) != 0 ? start + length : start;
}
