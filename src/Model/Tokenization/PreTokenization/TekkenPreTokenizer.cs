using static ServingGrid.Model.Tokenization.PreTokenization.CharacterClass;
using static ServingGrid.Model.Tokenization.PreTokenization.CharacterClasses;

namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>
/// Mistral's Tekken: as <see cref="CasePreTokenizer"/> without contractions, with single digits, and with a word ending where
/// capitals follow small letters ("camel|Case"): <c>U*L+|U+L*</c>, U being letters but a–z and L letters but A–Z.
/// </summary>
internal sealed class TekkenPreTokenizer() : CasePreTokenizer(digits: 1)
{
    /// <inheritdoc/>
    protected override int ContractionLength(ReadOnlySpan<char> text) => 0;

    /// <inheritdoc/>
    protected override int Letters(ReadOnlySpan<char> text, int start)
    {
        int end = start;
        int lastCaseless = -1;
        while (end < text.Length && (At(text, end, out int length) & Letter) != 0 && text[end] is not (>= 'a' and <= 'z'))
        {
            end += length;
            lastCaseless = text[end - 1] > 0x7F ? end : lastCaseless;
        }

        if (end < text.Length && text[end] is >= 'a' and <= 'z')
        {
            while (end < text.Length && (At(text, end, out int length) & Letter) != 0 && text[end] is not (>= 'A' and <= 'Z'))
            {
                end += length;
            }

            return end;
        }

        // No a–z follows: L+ can only be the last letter that is neither A–Z nor a–z, and what comes after it is a word of its own.
        return lastCaseless >= 0 ? lastCaseless : end;
    }

    /// <inheritdoc/>
    protected override bool EndsMarks(char c) => c is '\r' or '\n' or '/';
}
