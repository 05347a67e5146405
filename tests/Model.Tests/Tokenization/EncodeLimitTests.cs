using System.Text;
using ServingGrid.Model.Tokenization;
using ServingGrid.Model.Tokenization.Merging;

namespace ServingGrid.Model.Tests.Tokenization;

/// <summary>Encoding that is given up when a text has more tokens than are of use.</summary>
public sealed class EncodeLimitTests
{
    private static readonly string[] Texts =
    [
        "", " ", "The quick brown fox jumps over the lazy dog.", new string('a', 300), new string(' ', 300),
        "日本語のテキスト 🦊🦊🦊", "<|im_start|>user\nhi<|im_end|>\n<|im_end|>", "x\u0000\u0001\uFFFD y",
        string.Concat(Enumerable.Range(0, 400).Select(i => $"{i * 7919} ")),
    ];

    public static MatrixTheoryData<string, int> Cases =>
        new(["llama-bpe", "qwen2", "gpt-2", "SentencePiece"], [.. Enumerable.Range(0, Texts.Length)]);

    [Theory]
    [MemberData(nameof(Cases))]
    public void TryEncode_AnyLimit_TheTokensOrNothing(string kind, int text)
    {
        VocabularyTokenizer tokenizer = Create(kind);
        int[] all = tokenizer.Encode(Texts[text], addSpecial: true, parseSpecial: true);
        for (int limit = 0; limit <= all.Length + 2; limit += 1 + (limit / 16))
        {
            Assert.Equal(limit >= all.Length ? all : null, tokenizer.TryEncode(Texts[text], addSpecial: true, parseSpecial: true, limit));
        }

        Assert.Equal(all, tokenizer.TryEncode(Texts[text], addSpecial: true, parseSpecial: true, all.Length));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void MostBytes_TokensOfAText_CoverIt(string kind, int text)
    {
        VocabularyTokenizer tokenizer = Create(kind);
        int tokens = tokenizer.Encode(Texts[text], addSpecial: false, parseSpecial: true).Length;
        Assert.True(tokenizer.MostBytes(tokens) >= Encoding.UTF8.GetByteCount(Texts[text]));
    }

    [Theory]
    [InlineData("llama-bpe", 'a')]
    [InlineData("llama-bpe", ' ')]
    [InlineData("SentencePiece", 'a')]
    public void TryEncode_FarTooLong_TakesTheWorkOfTheLimit(string kind, char letter)
    {
        VocabularyTokenizer tokenizer = Create(kind);
        const int Limit = 100;
        long fits = tokenizer.MostBytes(Limit)!.Value;
        foreach (int length in (int[])[(int)fits, (int)fits * 1000])
        {
            var scratch = new EncodeScratch { MaxTokens = Limit };
            tokenizer.Encode(string.Concat(new string(letter, length), "\n1"), addSpecial: false, parseSpecial: false, scratch);
            Assert.True(scratch.IsFull);
            Assert.InRange(scratch.Steps, 0, 4L * length + fits * 64); // looked at, at most, and not merged
        }
    }

    private static VocabularyTokenizer Create(string kind) => TokenizerFactory.Create(
        kind == "SentencePiece" ? TestVocabularies.SentencePiece : TestVocabularies.ByteLevel with { Pre = kind });
}
