using ServingGrid.Model.Tokenization;
using ServingGrid.Model.Tokenization.Merging;

namespace ServingGrid.Model.Tests.Tokenization;

/// <summary>Texts made to be slow: the work for 16 times the text is about 16 times as much.</summary>
public class LinearTimeTests
{
    private const int Small = 64 << 10;
    private const int Factor = 16;

    // A heap adds a logarithm; quadratic work would be 16 times the limit.
    private const double Limit = Factor * 1.5;

    public static MatrixTheoryData<string, string> Cases => new(
        ["llama-bpe", "qwen2", "smollm", "gpt-2", "default", "tekken", "falcon", "deepseek-coder", "deepseek-llm", "SentencePiece"],
        ["letter", "letters", "digits", "spaces", "line breaks", "punctuation", "apostrophes", "random UTF-16", "surrogates", "specials", "CJK"]);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Encode_AdversarialText_TakesLinearWork(string pre, string kind)
    {
        VocabularyTokenizer tokenizer = TokenizerFactory.Create(
            pre == "SentencePiece" ? TestVocabularies.SentencePiece : TestVocabularies.ByteLevel with { Pre = pre });

        long small = Work(tokenizer, Text(kind, Small));
        long large = Work(tokenizer, Text(kind, Small * Factor));

        Assert.True(large <= small * Limit, $"{small} steps for {Small} characters, {large} for {Factor} times as many");
    }

    private static long Work(VocabularyTokenizer tokenizer, string text)
    {
        var scratch = new EncodeScratch();
        Assert.NotEmpty(tokenizer.Encode(text, addSpecial: true, parseSpecial: true, scratch));
        return scratch.Steps;
    }

    private static string Text(string kind, int length)
    {
        var random = new Random(1);
        return kind switch
        {
            "letter" => new string('a', length),
            "letters" => Make(() => (char)random.Next('a', 'z' + 1)),
            "digits" => Make(() => (char)random.Next('0', '9' + 1)),
            "spaces" => new string(' ', length),
            "line breaks" => Make(() => " \n\r\t"[random.Next(4)]),
            "punctuation" => Make(() => "!-/.'"[random.Next(5)]),
            "apostrophes" => new string('\'', length),
            "random UTF-16" => Make(() => (char)random.Next(0x10000)),
            "surrogates" => new string('\uD83D', length),
            "specials" => string.Concat(Enumerable.Repeat("<|im_end|>", length / 10)),
            _ => Make(() => (char)random.Next(0x4E00, 0x9FA6)),
        };

        string Make(Func<char> next) => string.Create(length, next, static (span, next) =>
        {
            foreach (ref char c in span)
            {
                c = next();
            }
        });
    }
}
