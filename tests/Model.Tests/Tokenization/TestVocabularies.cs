using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;
using ServingGrid.Model.Tokenization.Vocabularies;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Tokenization;

/// <summary>Vocabularies that every clone has.</summary>
internal static class TestVocabularies
{
    /// <summary>The bundled model's: byte-level, 2048 tokens.</summary>
    public static VocabularyDefinition ByteLevel { get; } = ReadBundled();

    /// <summary>A SentencePiece vocabulary: bytes, ASCII but "~", and some words with scores, of which several are equal.</summary>
    public static VocabularyDefinition SentencePiece { get; } = MakeSentencePiece();

    public static Tokenizer ByteLevelTokenizer { get; } = TokenizerFactory.Create(ByteLevel);

    public static Tokenizer SentencePieceTokenizer { get; } = TokenizerFactory.Create(SentencePiece);

    public static Tokenizer Of(string kind) => kind == "byte-level" ? ByteLevelTokenizer : SentencePieceTokenizer;

    private static VocabularyDefinition ReadBundled()
    {
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);
        return VocabularyDefinition.Read(file.Metadata);
    }

    private static VocabularyDefinition MakeSentencePiece()
    {
        string[] words = ["▁", "▁▁", "▁▁▁▁", "he", "ll", "hell", "o▁", "lo", "▁h", "▁he", "▁hell", "▁hello", "aa", "aaaa", "wor", "ld", "é", "世", "世界", "😀"];
        string[] tokens =
        [
            "<unk>", "<s>", "</s>", "<|user|>",
            .. Enumerable.Range(0, 256).Select(value => ByteToken.Piece((byte)value)),
            .. Enumerable.Range('!', '~' - '!').Select(c => ((char)c).ToString()),
            .. words,
        ];
        return new VocabularyDefinition
        {
            Source = "test",
            Model = "llama",
            Tokens = tokens,
            Types = [2, 3, 3, 4, .. Enumerable.Repeat(6, 256), .. Enumerable.Repeat(1, tokens.Length - 260)],
            Scores = [.. tokens.Select((token, id) => id < 260 ? 0f : -token.Length % 3)],
        };
    }
}
