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

    // Cased alphabets (Latin, Greek, Cyrillic, Armenian, Georgian, Cherokee and others) as DeepSeek LLM lists them; escaped, since
    // editors turn some of these characters into others that look the same.
    private const string CasedLetters =
        "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377"
        + "\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-"
        + "\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-"
        + "\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-"
        + "\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115"
        + "\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-"
        + "\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-"
        + "\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-"
        + "\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943";

    // ASCII and full-width punctuation with the letters in between.
    private const string WideMarks = "!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002";

    private const string EastAsian = "\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF";

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
            new RunPreTokenizer(new CharacterSet(Other, WideMarks), leadingSpace: true),
            new TrailingSpacePreTokenizer(),
            new RunPreTokenizer(new CharacterSet(Other, EastAsian)),
            new RunPreTokenizer(OneNumber)),
        _ => null,
    };

    private static PreTokenizerProfile DigitsThenGpt2(bool cleanUpSpaces) =>
        new(new RunPreTokenizer(OneNumber, exactLength: 1), new Gpt2PreTokenizer()) { CleanUpSpaces = cleanUpSpaces };
}
