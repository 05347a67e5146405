using static ServingGrid.Model.Tokenization.PreTokenization.CharacterClass;
using static ServingGrid.Model.Tokenization.PreTokenization.CharacterClasses;

namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>
/// GPT-2's words: <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// </summary>
internal sealed class Gpt2PreTokenizer : PreTokenizer
{
    /// <inheritdoc/>
    public override int NextPiece(ReadOnlySpan<char> text, int start)
    {
        int contraction = Contraction.Length(text[start..], ignoreCase: false);
        if (contraction > 0)
        {
            return start + contraction;
        }

        int word = text[start] == ' ' ? start + 1 : start;
        if (word < text.Length)
        {
            CharacterClass first = At(text, word, out _);
            if ((first & (Letter | Number)) != 0)
            {
                return SkipWhile(text, word, first & (Letter | Number));
            }

            if ((first & WhiteSpace) == 0)
            {
                return SkipUntil(text, word, WhiteSpace | Letter | Number);
            }
        }

        return SpaceRun.End(text, start);
    }
}
