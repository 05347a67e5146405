using System.Text;
using CsCheck;
using ServingGrid.Model.Tokenization;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tests.Tokenization;

public class TokenizerTests
{
    private static readonly Gen<string> Texts = Gen.OneOf(
        Gen.String,
        Gen.String["ab hello'sé世😀\n\t 123▁Ġ<|user|>"],
        Gen.Char['\uD7F0', '\uE010'].Array[0, 20].Select(chars => new string(chars)));

    [Theory]
    [InlineData("byte-level")]
    [InlineData("SentencePiece")]
    public void Decode_EncodedText_GivesTheTextBack(string kind)
    {
        Tokenizer tokenizer = TestVocabularies.Of(kind);
        Texts.Sample(text =>
        {
            // Unpaired surrogates have become U+FFFD, and SentencePiece cannot tell "▁" from a space.
            string expected = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            expected = kind == "SentencePiece" ? expected.Replace('▁', ' ') : expected;
            int[] tokens = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
            Assert.Equal(expected, Encoding.UTF8.GetString(tokenizer.Decode(tokens, special: true)));
        }, iter: 2000, seed: "0000KGXjKAz1");
    }

    [Fact]
    public void Encode_UnpairedSurrogate_IsReplacementCharacter()
    {
        Tokenizer tokenizer = TestVocabularies.ByteLevelTokenizer;

        Assert.Equal(tokenizer.Encode("a\uFFFDb", false, false), tokenizer.Encode("a\uD83Db", false, false));
        Assert.Equal(tokenizer.Encode("\uFFFD", false, false), tokenizer.Encode("\uDE00", false, false));
    }

    [Fact]
    public void Encode_SpecialTokenInText_IsParsedOnlyWhenAsked()
    {
        Tokenizer tokenizer = TestVocabularies.ByteLevelTokenizer;
        int end = tokenizer.Encode("<|im_end|>", false, parseSpecial: true) is [var token] ? token : -1;

        Assert.Equal("<|im_end|>", tokenizer.TokenPiece(end));
        Assert.True(tokenizer.IsControl(end));
        Assert.Contains(end, tokenizer.EndOfGenerationTokens);
        Assert.DoesNotContain(end, tokenizer.Encode("<|im_end|>", false, parseSpecial: false));
    }

    [Fact]
    public void Encode_UserDefinedTokenInText_IsAlwaysParsed()
    {
        Tokenizer tokenizer = TestVocabularies.SentencePieceTokenizer;

        Assert.Contains(3, tokenizer.Encode("he<|user|>he", false, parseSpecial: false));
        Assert.Equal("<|user|>"u8.ToArray(), tokenizer.TokenBytes(3).ToArray());
    }

    [Fact]
    public void Encode_OverlappingSpecialTokens_LongerGoesFirst()
    {
        VocabularyDefinition definition = WithSpecial("<ab>", "b>cd", "<ab>c");
        Tokenizer tokenizer = TokenizerFactory.Create(definition);
        int first = definition.Tokens.Length - 3;

        Assert.Equal([first + 2], tokenizer.Encode("<ab>c", false, true));
        Assert.Equal([first], tokenizer.Encode("<ab>", false, true));
        Assert.Equal([first, first], tokenizer.Encode("<ab><ab>", false, true));
    }

    [Fact]
    public void Encode_SpacePrefix_FollowsSpecialTokensOnly()
    {
        Tokenizer with = TestVocabularies.SentencePieceTokenizer;
        Tokenizer without = TokenizerFactory.Create(TestVocabularies.SentencePiece with { AddSpacePrefix = false });

        Assert.Equal(["▁hello"], Pieces(with, "hello"));
        Assert.Equal(["hell", "o"], Pieces(without, "hello"));
        Assert.Equal(["<s>", "▁hello", "<s>", "▁hello"], Pieces(with, "<s>hello<s>hello"));
        Assert.Equal("hello"u8.ToArray(), with.Decode(with.Encode("hello", false, false)));
        Assert.Equal(" hello"u8.ToArray(), with.Decode(with.Encode(" hello", false, false)));
    }

    [Fact]
    public void Encode_CharacterInNoToken_IsItsBytes()
    {
        Assert.Equal(["▁", "<0x7E>", "<0xD0>", "<0x96>"], Pieces(TestVocabularies.SentencePieceTokenizer, "~Ж"));
    }

    [Fact]
    public void Encode_EqualScores_LeftmostMergesFirst()
    {
        Assert.Equal(["▁h", "aaaa", "aa", "a"], Pieces(TestVocabularies.SentencePieceTokenizer, "haaaaaaa"));
    }

    [Fact]
    public void Encode_AddSpecial_AddsWhatTheFileAsksFor()
    {
        VocabularyDefinition definition = TestVocabularies.SentencePiece;

        Assert.Equal([1], TokenizerFactory.Create(definition).Encode("", addSpecial: true, parseSpecial: false));
        Assert.Equal([2], TokenizerFactory.Create(definition with { AddBos = false, AddEos = true }).Encode("", addSpecial: true, parseSpecial: false));
        Assert.Equal([], TokenizerFactory.Create(definition).Encode("", addSpecial: false, parseSpecial: false));
    }

    [Fact]
    public void Encode_ManyThreads_SameIds()
    {
        string text = string.Concat(Enumerable.Repeat("Hello world, 1234 aaaa 世界! ", 200));
        int[] expected = TestVocabularies.ByteLevelTokenizer.Encode(text, true, true);

        Parallel.For(0, 32, _ => Assert.Equal(expected, TestVocabularies.ByteLevelTokenizer.Encode(text, true, true)));
    }

    [Fact]
    public void TokenBytes_ControlToken_IsEmptyUnlessSpecial()
    {
        Tokenizer tokenizer = TestVocabularies.SentencePieceTokenizer;

        Assert.Empty(tokenizer.TokenBytes(1).ToArray());
        Assert.Equal("<s>"u8.ToArray(), tokenizer.TokenBytes(1, special: true).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenBytes(tokenizer.VocabularySize));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenPiece(-1));
    }

    [Fact]
    public void Detokenize_CleaningVocabulary_DropsSpacesThatDecodeKeeps()
    {
        const string Text = "a != b , it 's we 're rock ' n";
        Tokenizer tokenizer = TokenizerFactory.Create(TestVocabularies.ByteLevel with { Pre = "gpt-2" });
        int[] tokens = tokenizer.Encode(Text, false, false);

        Assert.Equal(Text, Encoding.UTF8.GetString(tokenizer.Decode(tokens)));
        Assert.Equal("a!= b, it's we're rock'n", Encoding.UTF8.GetString(tokenizer.Detokenize(tokens)));
    }

    private static string[] Pieces(Tokenizer tokenizer, string text) => [.. tokenizer.Encode(text, false, parseSpecial: true).Select(tokenizer.TokenPiece)];

    private static VocabularyDefinition WithSpecial(params string[] special)
    {
        VocabularyDefinition definition = TestVocabularies.ByteLevel;
        return definition with
        {
            Tokens = [.. definition.Tokens, .. special],
            Types = [.. definition.Types!, .. Enumerable.Repeat(3, special.Length)],
        };
    }
}
