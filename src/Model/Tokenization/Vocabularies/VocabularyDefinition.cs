using ServingGrid.Model.Gguf;

namespace ServingGrid.Model.Tokenization.Vocabularies;

/// <summary>The <c>tokenizer.*</c> keys of a model file, checked: arrays have one length, ids are in range.</summary>
internal sealed record VocabularyDefinition
{
    /// <summary>More tokens than this are taken for a broken file (the largest vocabularies in use have about 260,000).</summary>
    public const int MaximumTokens = 1 << 21;

    /// <summary>Longer tokens are taken for a broken file; also keeps the work of loading linear in the size of the file.</summary>
    public const int MaximumTokenLength = 1024;

    /// <summary>More merges than this are taken for a broken file (the longest lists in use have about 450,000).</summary>
    public const int MaximumMerges = 1 << 22;

    // llama.cpp writes an id that is not there as −1 in 32 unsigned bits.
    private const long NoToken = uint.MaxValue;

    /// <summary>The file, for error messages.</summary>
    public required string Source { get; init; }

    /// <summary>Kind of tokenizer, <c>tokenizer.ggml.model</c>: "gpt2" or "llama".</summary>
    public required string Model { get; init; }

    /// <summary>Pre-tokenizer, <c>tokenizer.ggml.pre</c>; empty when the file names none.</summary>
    public string Pre { get; init; } = "";

    /// <summary>Name of the model (<c>general.name</c>): some white space rules hang on it, since no key has them.</summary>
    public string ModelName { get; init; } = "";

    public required string[] Tokens { get; init; }

    /// <summary>By token, or null: all normal. Numbers of <c>llama_token_type</c>.</summary>
    public int[]? Types { get; init; }

    /// <summary>By token, or null: all 0.</summary>
    public float[]? Scores { get; init; }

    /// <summary>"left right", best first; null when the file has none.</summary>
    public string[]? Merges { get; init; }

    public int? Bos { get; init; }

    public int? Eos { get; init; }

    public int? EndOfTurn { get; init; }

    public int? EndOfMessage { get; init; }

    public int? Unknown { get; init; }

    public int? FillPad { get; init; }

    public int? FillRepository { get; init; }

    public int? FillSeparator { get; init; }

    public bool? AddBos { get; init; }

    public bool? AddEos { get; init; }

    public bool? AddSpacePrefix { get; init; }

    /// <exception cref="GgufException">A key is missing, of another type or inconsistent with the others.</exception>
    public static VocabularyDefinition Read(GgufMetadata metadata)
    {
        string source = metadata.Source;
        string model = metadata.GetString("tokenizer.ggml.model") ?? throw new GgufException(source, "key 'tokenizer.ggml.model' is missing");
        string[] tokens = metadata.GetStrings("tokenizer.ggml.tokens") ?? throw new GgufException(source, "key 'tokenizer.ggml.tokens' is missing");

        return new VocabularyDefinition
        {
            Source = source,
            Model = model,
            Pre = metadata.GetString("tokenizer.ggml.pre") ?? "",
            ModelName = metadata.GetString("general.name") ?? "",
            Tokens = tokens,
            Types = metadata.GetIntegers("tokenizer.ggml.token_type"),
            Scores = metadata.GetFloats("tokenizer.ggml.scores"),
            Merges = metadata.GetStrings("tokenizer.ggml.merges"),
            Bos = Id("bos"),
            Eos = Id("eos"),
            EndOfTurn = Id("eot"),
            EndOfMessage = Id("eom"),
            Unknown = Id("unknown"),
            FillPad = Id("fim_pad"),
            FillRepository = Id("fim_rep"),
            FillSeparator = Id("fim_sep"),
            AddBos = metadata.GetBool("tokenizer.ggml.add_bos_token"),
            AddEos = metadata.GetBool("tokenizer.ggml.add_eos_token"),
            AddSpacePrefix = metadata.GetBool("tokenizer.ggml.add_space_prefix"),
        }.Checked();

        int? Id(string name)
        {
            string key = $"tokenizer.ggml.{name}_token_id";
            return metadata.GetInteger(key) is not { } id || id == NoToken || id == -1 ? null
                : id >= 0 && id < tokens.Length ? (int)id
                : throw new GgufException(source, $"key '{key}' is {id} but the vocabulary has {tokens.Length} tokens");
        }
    }

    /// <summary>This, if it is consistent.</summary>
    /// <exception cref="GgufException">It is not.</exception>
    public VocabularyDefinition Checked()
    {
        if (Tokens.Length is 0 or > MaximumTokens)
        {
            throw Broken($"the vocabulary has {Tokens.Length} tokens (1 to {MaximumTokens} are supported)");
        }

        if (Merges?.Length > MaximumMerges)
        {
            throw Broken($"the vocabulary has {Merges.Length} merges (at most {MaximumMerges} are supported)");
        }

        if (Types is not null && Types.Length != Tokens.Length)
        {
            throw Broken($"the vocabulary has {Tokens.Length} tokens but {Types.Length} token types");
        }

        if (Scores is not null && Scores.Length != Tokens.Length)
        {
            throw Broken($"the vocabulary has {Tokens.Length} tokens but {Scores.Length} scores");
        }

        if (Scores is not null && Array.FindIndex(Scores, float.IsNaN) is var nan and >= 0)
        {
            throw Broken($"the score of token {nan} is not a number");
        }

        if (Array.FindIndex(Tokens, token => token.Length > MaximumTokenLength) is var tooLong and >= 0)
        {
            throw Broken($"token {tooLong} has {Tokens[tooLong].Length} characters (at most {MaximumTokenLength} are supported)");
        }

        return this;
    }

    public GgufException Broken(string reason) => new(Source, reason);
}
