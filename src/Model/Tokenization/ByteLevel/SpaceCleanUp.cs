namespace ServingGrid.Model.Tokenization.ByteLevel;

/// <summary>
/// Takes away the spaces that some vocabularies are detokenised without: before ? ! . and comma, around a lone apostrophe,
/// and before 's, 'm, 're and 've. Loses text ("b != c" becomes "b!= c"), so nothing that a model writes goes through it.
/// </summary>
internal static class SpaceCleanUp
{
    public static byte[] Apply(byte[] text) => BeforeContractions(AroundApostrophes(BeforePunctuation(text)));

    private static byte[] BeforePunctuation(byte[] text) =>
        Without(text, i => text[i] == ' ' && i + 1 < text.Length && text[i + 1] is (byte)'?' or (byte)'!' or (byte)'.' or (byte)',');

    private static byte[] AroundApostrophes(byte[] text)
    {
        var removed = new bool[text.Length];
        for (int i = 1; i + 1 < text.Length; i++)
        {
            // A space that is gone does not count for the next apostrophe.
            if (text[i] == '\'' && text[i - 1] == ' ' && !removed[i - 1] && text[i + 1] == ' ')
            {
                removed[i - 1] = true;
                removed[i + 1] = true;
            }
        }

        return Without(text, i => removed[i]);
    }

    private static byte[] BeforeContractions(byte[] text) => Without(text, i =>
        text[i] == ' ' && text.AsSpan(i + 1) is [(byte)'\'', (byte)'s' or (byte)'m', ..] or [(byte)'\'', (byte)'r' or (byte)'v', (byte)'e', ..]);

    private static byte[] Without(byte[] text, Predicate<int> removed) => [.. text.Where((_, i) => !removed(i))];
}
