namespace ServingGrid.Model.Tokenization.Vocabularies;

/// <summary>What a token is. The first six are those of <c>tokenizer.ggml.token_type</c>, which a token's text may add to.</summary>
[Flags]
internal enum TokenAttributes : byte
{
    /// <summary>Neither of the others: stands for nothing when decoded.</summary>
    None = 0,
    Normal = 1,
    Unknown = 2,
    Control = 4,
    UserDefined = 8,
    Unused = 16,
    Byte = 32,

    /// <summary>Swallows the white space that follows it in a text in which it is recognised.</summary>
    StripRight = 64,
}
