namespace ServingGrid.Model.Templates;

/// <summary>
/// A failure deep inside an operation that does not know the line it is on; <see cref="ChatTemplate"/> adds the line and
/// throws <see cref="ChatTemplateException"/>.
/// </summary>
internal sealed class TemplateFault(ChatTemplateError error, string message) : Exception(Cut(message, LongestMessage))
{
    // What a template was given at length need not be said at length, in an answer and in a log.
    private const int LongestMessage = 2000;
    private const int LongestName = 100;

    public ChatTemplateError Error { get; } = error;

    /// <summary>The counterpart of Python's TypeError, ValueError and so on.</summary>
    public static TemplateFault Runtime(string message) => new(ChatTemplateError.Runtime, message);

    public static TemplateFault Bound(string message) => new(ChatTemplateError.Bound, message);

    /// <summary>A name that may come from the chat, for a reason that may never be needed: not copied as a whole.</summary>
    public static string Name(string name) => Cut(name, LongestName);

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)] + "…";
}
