namespace ServingGrid.Model.Gguf;

/// <summary>
/// A model file cannot be used: truncated, corrupt or unsupported. The message is one sentence that names the file, the
/// key or tensor (with its offset in the file where one is known) and the reason, fit to end a start-up with.
/// </summary>
public sealed class GgufException : Exception
{
    /// <param name="source">The file, or where the header came from.</param>
    /// <param name="reason">What is wrong and where, without a full stop.</param>
    public GgufException(string source, string reason)
        : base($"{source}: {reason}.")
    {
    }

    /// <inheritdoc cref="GgufException(string, string)"/>
    public GgufException(string source, string reason, Exception inner)
        : base($"{source}: {reason}.", inner)
    {
    }
}
