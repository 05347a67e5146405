namespace ServingGrid.Model.Templates;

/// <summary>
/// A failure deep inside an operation that does not know the line it is on; <see cref="ChatTemplate"/> adds the line and
/// throws <see cref="ChatTemplateException"/>.
/// </summary>
internal sealed class TemplateFault(ChatTemplateError error, string message) : Exception(message)
{
    public ChatTemplateError Error { get; } = error;

    /// <summary>The counterpart of Python's TypeError, ValueError and so on.</summary>
    public static TemplateFault Runtime(string message) => new(ChatTemplateError.Runtime, message);

    public static TemplateFault Bound(string message) => new(ChatTemplateError.Bound, message);
}
