using System.Text.Json;
using System.Text.Json.Serialization;
using ServingGrid.Model.Tokenization;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tests.Tokenization;

/// <summary>
/// Vocabularies of Hugging Face (<c>tokenizer.json</c>) against the ids of its own tokenizers (<c>ids.json</c> beside it, written
/// by tests/EndToEnd.Tests/Tokenizers/encode.mjs). Runs where SERVINGGRID_TOKENIZER_JSON names a folder of such files.
/// </summary>
public class TokenizerJsonTests
{
    private const string Variable = "SERVINGGRID_TOKENIZER_JSON";

    [Fact]
    public void Encode_VocabulariesOfHuggingFace_EqualsHuggingFace()
    {
        string? folder = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(string.IsNullOrEmpty(folder), $"{Variable} is not set (tests/EndToEnd.Tests/Tokenizers/encode.mjs says how to make the files)");
        string[] files = [.. Directory.EnumerateFiles(folder!, "ids.json", SearchOption.AllDirectories)];
        Assert.NotEmpty(files);
        Assert.All(files, Compare);
    }

    private static void Compare(string idsFile)
    {
        JsonElement json = Read<JsonElement>(Path.Combine(Path.GetDirectoryName(idsFile)!, "tokenizer.json"));
        VocabularyDefinition definition = Convert(json, out HashSet<string> added);
        Tokenizer tokenizer = TokenizerFactory.Create(definition);

        // What docs/adr/0002-tokenizers.md names: no normalisation, and well-known texts are special though the vocabulary has them as words.
        bool normalises = json.GetProperty("normalizer").ValueKind == JsonValueKind.Object;
        string[] special = [.. WellKnownTokens.EndOfGeneration.Where(text => !added.Contains(text) && definition.Tokens.Contains(text))];
        Case[] cases = Read<Case[]>(idsFile);
        Case[] comparable = [.. cases.Where(c => (!normalises || c.Normalized) && !special.Any(c.Text.Contains))];

        Assert.True(comparable.Length > cases.Length * 0.9, $"{comparable.Length} of {cases.Length} strings can be compared");
        Assert.All(comparable, c => Assert.Equal(c.Ids, tokenizer.Encode(c.Text, addSpecial: false, parseSpecial: true)));
    }

    private static VocabularyDefinition Convert(JsonElement json, out HashSet<string> added)
    {
        JsonElement model = json.GetProperty("model");
        JsonElement[] addedTokens = [.. json.GetProperty("added_tokens").EnumerateArray()];
        added = [.. addedTokens.Select(token => token.GetProperty("content").GetString()!)];
        IEnumerable<(int Id, string Text, int Type)> all =
        [
            .. model.GetProperty("vocab").EnumerateObject().Select(token => (token.Value.GetInt32(), token.Name, 1)),
            .. addedTokens.Select(token => (token.GetProperty("id").GetInt32(), token.GetProperty("content").GetString()!, token.GetProperty("special").GetBoolean() ? 3 : 4)),
        ];
        (int Id, string Text, int Type)[] tokens = [.. all.DistinctBy(token => token.Id).OrderBy(token => token.Id)];
        Assert.Equal(tokens.Length - 1, tokens[^1].Id);

        return new VocabularyDefinition
        {
            Source = "tokenizer.json",
            Model = "gpt2",
            Pre = PreTokenizer(json.GetProperty("pre_tokenizer").GetRawText()),
            Tokens = [.. tokens.Select(token => token.Text)],
            Types = [.. tokens.Select(token => token.Type)],
            Merges = [.. model.GetProperty("merges").EnumerateArray().Select(Merge)],
        };
    }

    private static string Merge(JsonElement merge) =>
        merge.ValueKind == JsonValueKind.String ? merge.GetString()! : $"{merge[0].GetString()} {merge[1].GetString()}";

    // GGUF names what tokenizer.json spells out as an expression.
    private static string PreTokenizer(string json) =>
        json.Contains(@"\\p{N}{1,3}|", StringComparison.Ordinal) ? "llama-bpe"
        : json.Contains(@"\\p{L}+|\\p{N}|", StringComparison.Ordinal) ? "qwen2"
        : throw new NotSupportedException($"no name is known for {json}");

    private static T Read<T>(string file) => JsonSerializer.Deserialize<T>(File.ReadAllText(file))!;

    private sealed record Case(
        [property: JsonPropertyName("text")] string Text,
        [property: JsonPropertyName("normalized")] bool Normalized,
        [property: JsonPropertyName("ids")] int[] Ids);
}
