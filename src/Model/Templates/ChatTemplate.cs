using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Nodes;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Syntax;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates;

/// <summary>
/// A chat template of a model file: the part of Jinja that such templates use, with the results of Python's jinja2 3.1 under
/// <c>trim_blocks</c> and <c>lstrip_blocks</c>. Immutable; parse once and render from any thread. Rendering reads nothing but its
/// input and is bounded in time and memory for every template and input (<see cref="ChatTemplateError.Bound"/>).
/// </summary>
/// <remarks>
/// Differences from jinja2: <c>safe</c> leaves a string as it is and nothing is ever escaped by itself; generators are computed at
/// once; a list that grows while it is looped over is looped over as it was; integers have at most 4096 bits; there is no
/// inheritance and no import.
/// </remarks>
public sealed class ChatTemplate
{
    private readonly Block _body;

    private ChatTemplate(Block body) => _body = body;

    /// <summary>Parses a template.</summary>
    /// <exception cref="ChatTemplateException">
    /// <see cref="ChatTemplateError.Syntax"/>: not in the supported language; <see cref="ChatTemplateError.Bound"/>: longer than a
    /// million characters or nested too deeply.
    /// </exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source.Length <= TemplateLimits.SourceLength
            ? new ChatTemplate(StatementParser.Parse(Lexer.Tokenize(source)))
            : throw new ChatTemplateException(
                ChatTemplateError.Bound, 1, $"the template is longer than {TemplateLimits.SourceLength} characters");
    }

    /// <summary>Renders a chat into the prompt. The input is read, never changed; it must not change meanwhile.</summary>
    /// <exception cref="ChatTemplateException">
    /// <see cref="ChatTemplateError.Raised"/>: the template refused the chat; <see cref="ChatTemplateError.Runtime"/> or
    /// <see cref="ChatTemplateError.Bound"/> otherwise.
    /// </exception>
    public string Render(ChatTemplateInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var context = new RenderContext(input.Now);
        try
        {
            context.Scope = Variables(context, input);
            _body.Execute(context);
            return context.Output;
        }
        catch (TemplateFault fault)
        {
            throw new ChatTemplateException(fault.Error, context.Line, fault.Message);
        }
    }

    private static Scope Variables(RenderContext context, ChatTemplateInput input)
    {
        var scope = new Scope(Globals.Scope);
        scope.Set("messages", JsonInput.Read(context, input.Messages));
        if (input.Tools is not null)
        {
            scope.Set("tools", JsonInput.Read(context, input.Tools));
        }

        scope.Set("add_generation_prompt", BoolValue.Of(input.AddGenerationPrompt));
        scope.Set("bos_token", new StringValue(input.BosToken));
        scope.Set("eos_token", new StringValue(input.EosToken));
        if (input.Variables is not null && JsonInput.Read(context, input.Variables) is DictValue variables)
        {
            foreach ((JinjaValue name, JinjaValue value) in variables.Entries)
            {
                scope.Set(context.Text(name), value);
            }
        }

        return scope;
    }
}
