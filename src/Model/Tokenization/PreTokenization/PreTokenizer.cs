namespace ServingGrid.Model.Tokenization.PreTokenization;

/// <summary>
/// One stage of cutting text into the words that byte pairs are merged in. The pieces of a stage are cut further by the
/// next one, each on its own: what follows a piece is the end of the text to it. Hand-written scanners stand for the regular
/// expressions that models are published with: linear, by code point, without allocations. Immutable.
/// </summary>
internal abstract class PreTokenizer
{
    /// <summary>End (exclusive) of the piece that starts at <paramref name="start"/>, which is before the end of the text.</summary>
    public abstract int NextPiece(ReadOnlySpan<char> text, int start);
}
