namespace ServingGrid.Model.Tokenization.Vocabularies;

/// <summary>
/// Tokens whose text says what they are, because many model files do not: those that end an answer and those that frame code
/// to be filled in. The lists are facts about models in use, the same that llama.cpp goes by.
/// </summary>
internal static class WellKnownTokens
{
    /// <summary>Each of these that a vocabulary has ends an answer.</summary>
    public static readonly string[] EndOfGeneration =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>", "<|endoftext|>", "</s>",
        "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<｜end▁of▁sentence｜>", "[e~[",
    ];

    /// <summary>Padding, repository and file separator of code models: the first of each that is there ends an answer too.</summary>
    public static readonly string[] FillPad = ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"];

    /// <inheritdoc cref="FillPad"/>
    public static readonly string[] FillRepository = ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"];

    /// <inheritdoc cref="FillPad"/>
    public static readonly string[] FillSeparator = ["<|file_sep|>"];

    /// <summary>Prefix, suffix and middle of code models: control tokens whatever their type in the file.</summary>
    public static readonly string[][] Fill =
    [
        ["<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>", "<|prefix|>"],
        ["<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>", "<|suffix|>"],
        ["<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>", "<|middle|>"],
    ];

    /// <summary>Parts of an answer's text though their type says control.</summary>
    public static readonly string[] AlwaysText = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];
}
