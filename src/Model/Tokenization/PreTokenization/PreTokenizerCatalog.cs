using static ServingGrid.Model.Tokenization.PreTokenization.CharacterClass;

namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>How a byte-level BPE vocabulary is used: what the name in <c>tokenizer.ggml.pre</c> stands for.</summary>
/// <param name="Stages">Each cuts the pieces of the one before it.</param>
internal sealed record PreTokenizerProfile(params PreTokenizer[] Stages)
{
    /// <summary>A word that is a token is that token, whatever its merges would make of it.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>BOS is added unless the file says otherwise.</summary>
    public bool AddBos { get; init; }

    /// <summary>Detokenisation takes away spaces before punctuation, as <see cref="Tokenizer.Detokenize"/> explains.</summary>
    public bool CleanUpSpaces { get; init; }
}

/// <summary>The pre-tokenizers known by name.</summary>
internal static class PreTokenizerCatalog
{
    private static readonly CharacterSet OneNumber = new(Number);

    // Cased alphabets, and the punctuation that DeepSeek LLM isolates. The ideographic space is white space to it, not punctuation.
    private const string CasedLetters =
        "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼ"
        + "ℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⲳⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";

    private const string EastAsian = "一-龥ࠀ-一가-\uD7FF";

    /// <summary>The profile of that name (empty: the file names none), or null if it is unknown.</summary>
    public static PreTokenizerProfile? Find(string name) => name switch
    {
        "" or "default" => new(
            new RunPreTokenizer(new CharacterSet(Punctuation, "$+<=>^~|")),
            new Gpt2PreTokenizer(),
            new RunPreTokenizer(OneNumber),
            new RunPreTokenizer(new CharacterSet(Other, "0-9"), exactLength: 3))
        { CleanUpSpaces = true },
        "gpt-2" or "phi-2" or "jina-es" or "jina-de" or "gigachat" or "jina-v2-es" or "jina-v2-de" or "a.x-4.0" or "mellum" or "modern-bert"
            or "mpt" or "olmo" or "jais" or "exaone4" => new(new Gpt2PreTokenizer()) { CleanUpSpaces = true },
        "trillion" or "granite-docling" => new(new Gpt2PreTokenizer()),
        "starcoder" or "refact" or "codeshell" or "exaone" or "minerva-7b" or "mellum2" => DigitsThenGpt2(cleanUpSpaces: true),
        "smollm" or "command-r" => DigitsThenGpt2(cleanUpSpaces: false),
        "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "midm-2.0" or "lfm2" or "jina-v5-nano" =>
            new(new CasePreTokenizer(digits: 3)) { IgnoreMerges = true, AddBos = true, CleanUpSpaces = true },
        "dbrx" or "smaug-bpe" or "glm4" or "chatglm-bpe" => new(new CasePreTokenizer(digits: 3)) { CleanUpSpaces = true },
        "qwen2" or "deepseek-r1-qwen" or "kormo" or "f2llmv2" or "megrez" or "hunyuan" or "grok-2" or "solar-open" => new(new CasePreTokenizer(digits: 1)),
        "stablelm2" => new(new CasePreTokenizer(digits: 1)) { CleanUpSpaces = true },
        "tekken" => new(new TekkenPreTokenizer()) { IgnoreMerges = true, AddBos = true },
        "falcon" => new(
            new RunPreTokenizer(new CharacterSet(Punctuation, "$+<=>^~|`")),
            new Gpt2PreTokenizer(),
            new RunPreTokenizer(new CharacterSet(Other, "0-9"), exactLength: 3))
        { CleanUpSpaces = true },
        "deepseek-coder" => new(
            new RunPreTokenizer(new CharacterSet(Other, "\r\n"), exactLength: 1),
            new RunPreTokenizer(new CharacterSet(Letter), leadingSpace: true),
            new RunPreTokenizer(new CharacterSet(Punctuation), leadingSpace: true),
            new RunPreTokenizer(new CharacterSet(Other, EastAsian)),
            new RunPreTokenizer(OneNumber, exactLength: 1)),
        "deepseek-llm" => new(
            new RunPreTokenizer(new CharacterSet(Other, "\r\n"), exactLength: 1),
            new RunPreTokenizer(new CharacterSet(Other, CasedLetters), leadingSpace: true),
            new RunPreTokenizer(new CharacterSet(Other, "!-/:-~！-／：-～‘-‟、-。"), leadingSpace: true),
            new TrailingSpacePreTokenizer(),
            new RunPreTokenizer(new CharacterSet(Other, EastAsian)),
            new RunPreTokenizer(OneNumber)),
        _ => null,
    };

    private static PreTokenizerProfile DigitsThenGpt2(bool cleanUpSpaces) =>
        new(new RunPreTokenizer(OneNumber, exactLength: 1), new Gpt2PreTokenizer()) { CleanUpSpaces = cleanUpSpaces };
}
