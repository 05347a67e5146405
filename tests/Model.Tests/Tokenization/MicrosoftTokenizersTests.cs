using CsCheck;
using Microsoft.ML.Tokenizers;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tests.Tokenization;

/// <summary>
/// Microsoft.ML.Tokenizers as a second opinion on byte-level merging. It is not what serves (docs/adr/0002-tokenizers.md): its
/// time is quadratic in the length of a word, so the texts here are short.
/// </summary>
public class MicrosoftTokenizersTests
{
    [Fact]
    public void Encode_RandomWords_EqualsMicrosoftTokenizers()
    {
        VocabularyDefinition definition = TestVocabularies.ByteLevel;
        BpeTokenizer theirs = BpeTokenizer.Create(new BpeOptions(definition.Tokens.Select((token, id) => KeyValuePair.Create(token, id)))
        {
            Merges = definition.Merges,
            ByteLevel = true,
            PreTokenizer = PreTokenizer.CreateWhiteSpace(),
        });

        // Letters alone, so that every pre-tokenizer makes one word of them.
        Gen.String["abcdefghijklmnopqrstuvwxyzABCDEFéßЖ中日"].Sample(
            word => Assert.Equal(theirs.EncodeToIds(word), TestVocabularies.ByteLevelTokenizer.Encode(word, addSpecial: false, parseSpecial: false)),
            iter: 5000,
            seed: "0000KGXjKAz1");
    }
}
