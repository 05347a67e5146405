namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>White space: <c>\s+(?!\S)|\s+</c>.</summary>
internal static class SpaceRun
{
    /// <summary>
    /// End of the piece of the white space at <paramref name="start"/>: all of it at the end of a text; before a word, all but
    /// the last character, which the word may take; one character if it stands alone (or is no white space at all).
    /// </summary>
    public static int End(ReadOnlySpan<char> text, int start)
    {
        int end = CharacterClasses.SkipWhile(text, start, CharacterClass.WhiteSpace);
        return end == text.Length || end - start <= 1 ? Math.Max(end, start + 1) : end - 1;
    }
}
