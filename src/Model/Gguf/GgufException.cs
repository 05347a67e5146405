namespace ServingGrid.Model.Gguf;

/// <summary>
/// A model file cannot be used: truncated, corrupt or unsupported. The message is one sentence that names the file, the
/// key or tensor (with its offset in the file where one is known) and the reason, fit to end a start-up with.
/// </summary>
public sealed class GgufException : Exception
{
    private const int MaximumReason = 400;

    /// <param name="source">The file, or where the header came from.</param>
    /// <param name="reason">What is wrong and where, without a full stop.</param>
    public GgufException(string source, string reason)
        : base(Sentence(source, reason))
    {
    }

    /// <inheritdoc cref="GgufException(string, string)"/>
    public GgufException(string source, string reason, Exception inner)
        : base(Sentence(source, reason), inner)
    {
    }

    // Names in a hostile file may be long and may hold line ends or terminal escapes.
    private static string Sentence(string source, string reason)
    {
        string text = reason.Length <= MaximumReason ? reason : reason[..(MaximumReason / 2)] + " … " + reason[^(MaximumReason / 2)..];
        return $"{source}: {string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c))}.";
    }
}
