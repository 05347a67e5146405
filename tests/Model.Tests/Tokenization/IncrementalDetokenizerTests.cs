using System.Text;
using CsCheck;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Model.Tests.Tokenization;

public class IncrementalDetokenizerTests
{
    [Theory]
    [InlineData("byte-level")]
    [InlineData("SentencePiece")]
    public void Append_AnyTokens_ConcatenatesToTheDecodingOfTheWhole(string kind)
    {
        Tokenizer tokenizer = TestVocabularies.Of(kind);
        Gen.Select(Gen.Int[0, tokenizer.VocabularySize - 1].Array[0, 40], Gen.Bool).Sample((tokens, special) =>
        {
            var detokenizer = new IncrementalDetokenizer(tokenizer, continues: false, special);
            string[] pieces = [.. tokens.Select(detokenizer.Append), detokenizer.Flush()];

            Assert.Equal(Encoding.UTF8.GetString(tokenizer.Decode(tokens, special)), string.Concat(pieces));
            Assert.All(pieces, AssertWhole);
        }, iter: 3000, seed: "0000KGXjKAz1");
    }

    [Theory]
    [InlineData("byte-level")]
    [InlineData("SentencePiece")]
    public void Append_TokensOfText_ConcatenateToTheText(string kind)
    {
        Tokenizer tokenizer = TestVocabularies.Of(kind);
        Gen.String["ab héé世界😀👨‍👩‍👧 \n𝓗"].Sample(text =>
        {
            string whole = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            var detokenizer = new IncrementalDetokenizer(tokenizer, continues: false);
            string[] pieces = [.. tokenizer.Encode(text, false, false).Select(detokenizer.Append), detokenizer.Flush()];

            Assert.Equal(whole, string.Concat(pieces));
            Assert.All(pieces, AssertWhole);
        }, iter: 2000, seed: "0000KGXjKAz1");
    }

    [Fact]
    public void Append_CharacterOverSeveralTokens_ComesWhole()
    {
        int[] tokens = [Byte(0xF0), Byte(0x9F), Byte(0x98), Byte(0x80)];
        var detokenizer = new IncrementalDetokenizer(TestVocabularies.SentencePieceTokenizer);

        Assert.Equal(["", "", "", "😀"], tokens.Select(detokenizer.Append));
        Assert.Equal("", detokenizer.Flush());
    }

    [Fact]
    public void Append_BytesThatCannotBeCompleted_BecomeReplacementAtOnce()
    {
        var detokenizer = new IncrementalDetokenizer(TestVocabularies.SentencePieceTokenizer);

        Assert.Equal("", detokenizer.Append(Byte(0xE4)));
        Assert.Equal("\uFFFDa", detokenizer.Append(Byte((byte)'a')));
        Assert.Equal("\uFFFD", detokenizer.Append(Byte(0xFF)));
    }

    [Fact]
    public void Flush_WithinACharacter_GivesReplacement()
    {
        var detokenizer = new IncrementalDetokenizer(TestVocabularies.SentencePieceTokenizer);
        detokenizer.Append(Byte(0xE4));

        Assert.Equal("\uFFFD", detokenizer.Flush());
        Assert.Equal("", detokenizer.Flush());
    }

    [Fact]
    public void Append_FirstSpace_IsKeptWhereTheTextContinues()
    {
        Tokenizer tokenizer = TestVocabularies.SentencePieceTokenizer;
        int[] tokens = tokenizer.Encode("hello hello", false, false);

        Assert.Equal(" hello hello", string.Concat(tokens.Select(new IncrementalDetokenizer(tokenizer, continues: true).Append)));
        Assert.Equal("hello hello", string.Concat(tokens.Select(new IncrementalDetokenizer(tokenizer, continues: false).Append)));
    }

    // Byte tokens follow the four special tokens.
    private static int Byte(byte value) => 4 + value;

    private static void AssertWhole(string piece)
    {
        for (int i = 0; i < piece.Length; i += Rune.GetRuneAt(piece, i).Utf16SequenceLength)
        {
            Assert.True(Rune.TryGetRuneAt(piece, i, out _));
        }
    }
}
