using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization.ByteLevel;
using ServingGrid.Model.Tokenization.PreTokenization;
using ServingGrid.Model.Tokenization.SentencePiece;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tokenization;

/// <summary>Makes the tokenizer that a model file describes.</summary>
public static class TokenizerFactory
{
    /// <summary>
    /// The tokenizer of the metadata's <c>tokenizer.ggml.*</c> keys: byte-level BPE ("gpt2") or SentencePiece BPE ("llama"). Its
    /// ids are those of llama.cpp.
    /// </summary>
    /// <exception cref="GgufException">The kind of tokenizer is not supported, or the vocabulary is broken.</exception>
    public static Tokenizer Create(GgufMetadata metadata) => Create(VocabularyDefinition.Read(metadata));

    internal static VocabularyTokenizer Create(VocabularyDefinition definition)
    {
        switch (definition.Model)
        {
            case "gpt2":
                PreTokenizerProfile profile = PreTokenizerCatalog.Find(definition.Pre)
                    ?? throw definition.Broken($"key 'tokenizer.ggml.pre': pre-tokenizer '{definition.Pre}' is not supported");
                return new ByteLevelTokenizer(new Vocabulary(definition), profile);

            case "llama":
                return new SentencePieceTokenizer(new Vocabulary(WithSentencePieceIds(definition)));

            default:
                throw definition.Broken($"key 'tokenizer.ggml.model': tokenizer '{definition.Model}' is not supported");
        }
    }

    // Where SentencePiece puts its special tokens unless it is told otherwise.
    private static VocabularyDefinition WithSentencePieceIds(VocabularyDefinition definition)
    {
        return definition with { Unknown = definition.Unknown ?? InRange(0), Bos = definition.Bos ?? InRange(1), Eos = definition.Eos ?? InRange(2) };

        int? InRange(int id) => id < definition.Tokens.Length ? id : null;
    }
}
