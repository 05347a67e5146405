namespace ServingGrid.Model.Templates;

/// <summary>Why a chat template could not be parsed or rendered.</summary>
public enum ChatTemplateError
{
    /// <summary>The template is not in the supported language: a fault of the model file.</summary>
    Syntax,

    /// <summary>An operation failed while rendering (an undefined variable was used, types do not fit).</summary>
    Runtime,

    /// <summary>The template itself refused the chat by <c>raise_exception</c>: usually the caller's mistake.</summary>
    Raised,

    /// <summary>A bound on length, nesting, work or output was exceeded.</summary>
    Bound,
}

/// <summary>The only exception that parsing and rendering a chat template end in.</summary>
public sealed class ChatTemplateException : Exception
{
    /// <param name="error">The kind of failure.</param>
    /// <param name="line">Line of the template, counted from 1.</param>
    /// <param name="detail">What went wrong, without the line.</param>
    public ChatTemplateException(ChatTemplateError error, int line, string detail)
        : base(Describe(error, line, detail))
    {
        Error = error;
        Line = line;
        Detail = detail;
    }

    /// <summary>The kind of failure.</summary>
    public ChatTemplateError Error { get; }

    /// <summary>Line of the template, counted from 1.</summary>
    public int Line { get; }

    /// <summary>What went wrong, without the line; for <see cref="ChatTemplateError.Raised"/> the template's own message.</summary>
    public string Detail { get; }

    private static string Describe(ChatTemplateError error, int line, string detail) => error switch
    {
        ChatTemplateError.Syntax => $"Chat template, line {line}: syntax error: {detail}",
        ChatTemplateError.Raised => $"Chat template, line {line}: the template refused the chat: {detail}",
        ChatTemplateError.Bound => $"Chat template, line {line}: bound exceeded: {detail}",
        _ => $"Chat template, line {line}: {detail}",
    };
}
