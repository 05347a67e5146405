using static ServingGrid.Model.Tokenization.PreTokenization.CharacterClass;
using static ServingGrid.Model.Tokenization.PreTokenization.CharacterClasses;

namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>
/// The words of Llama 3, Qwen 2 and those that came after them:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <param name="digits">Most digits of one piece.</param>
internal class CasePreTokenizer(int digits) : PreTokenizer
{
    /// <inheritdoc/>
    public override int NextPiece(ReadOnlySpan<char> text, int start)
    {
        int contraction = ContractionLength(text[start..]);
        if (contraction > 0)
        {
            return start + contraction;
        }

        CharacterClass first = At(text, start, out int length);
        int next = start + length;
        if ((first & Letter) != 0)
        {
            return Letters(text, start);
        }

        if (text[start] is not ('\r' or '\n') && (first & Number) == 0 && next < text.Length && (At(text, next, out _) & Letter) != 0)
        {
            return Letters(text, next);
        }

        if ((first & Number) != 0)
        {
            return Digits(text, start);
        }

        int marks = text[start] == ' ' ? next : start;
        if (marks < text.Length && (At(text, marks, out _) & (WhiteSpace | Letter | Number)) == 0)
        {
            marks = SkipUntil(text, marks, WhiteSpace | Letter | Number);
            while (marks < text.Length && EndsMarks(text[marks]))
            {
                marks++;
            }

            return marks;
        }

        return LineBreaks(text, start);
    }

    /// <summary>Length of the contraction that the text starts with, or 0.</summary>
    protected virtual int ContractionLength(ReadOnlySpan<char> text) => Contraction.Length(text, ignoreCase: true);

    /// <summary>End of the word whose first letter is at <paramref name="start"/>.</summary>
    protected virtual int Letters(ReadOnlySpan<char> text, int start) => SkipWhile(text, start, Letter);

    /// <summary>Characters that a run of punctuation takes along.</summary>
    protected virtual bool EndsMarks(char c) => c is '\r' or '\n';

    private int Digits(ReadOnlySpan<char> text, int at)
    {
        for (int count = 0; count < digits && at < text.Length && (At(text, at, out int length) & Number) != 0; count++)
        {
            at += length;
        }

        return at;
    }

    // White space up to its last line break, if it has one.
    private static int LineBreaks(ReadOnlySpan<char> text, int start)
    {
        int end = SkipWhile(text, start, WhiteSpace);
        int lineBreak = text[start..end].LastIndexOfAny('\r', '\n');
        return lineBreak >= 0 ? start + lineBreak + 1 : SpaceRun.End(text, start);
    }
}
