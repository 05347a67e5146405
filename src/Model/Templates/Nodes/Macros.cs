using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

/// <summary>Parameters and body of a macro or of a call block.</summary>
/// <param name="Name">Its name, or "caller".</param>
/// <param name="Parameters">Names in order, with defaults at the end.</param>
/// <param name="Body">What it writes.</param>
/// <param name="UsesVarArgs">The body reads <c>varargs</c>: further positional arguments are accepted.</param>
/// <param name="UsesKwArgs">The body reads <c>kwargs</c>: further named arguments are accepted.</param>
/// <param name="UsesCaller">The body reads <c>caller</c>: it may be called by a call block.</param>
internal sealed record MacroDefinition(
    string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, Block Body, bool UsesVarArgs, bool UsesKwArgs, bool UsesCaller);

internal sealed class MacroStatement(MacroDefinition macro, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        context.Scope.Set(macro.Name, new MacroValue(macro, context.Scope));
        return Signal.None;
    }
}

/// <summary><c>{% call(parameters) macro(arguments) %}…{% endcall %}</c>.</summary>
internal sealed class CallBlockStatement(Call call, MacroDefinition caller, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        context.Write(context.Text(call.Invoke(context, new MacroValue(caller, context.Scope))));
        return Signal.None;
    }
}

/// <summary>A macro together with the scope that it was defined in.</summary>
internal sealed class MacroValue(MacroDefinition macro, Scope scope) : JinjaValue
{
    public override string TypeName => "Macro";

    public override bool IsCallable => true;

    public override JinjaValue? Attribute(string name) => name switch
    {
        "name" => new StringValue(macro.Name),
        "arguments" => new TupleValue([.. macro.Parameters.Select(p => new StringValue(p.Name))]),
        _ => null,
    };

    public override void WriteRepr(ReprWriter writer) => writer.Write($"<Macro '{macro.Name}'>");

    public override JinjaValue Call(RenderContext context, Arguments arguments)
    {
        var inner = new Scope(scope);
        (Scope outer, int line) = (context.Scope, context.Line);
        context.Scope = inner;
        var named = arguments.Named.ToList();
        Bind(context, inner, arguments, named);
        BindFurther(context, inner, arguments, named);
        context.Scope = outer;
        string text = context.Capture(inner, macro.Body);
        context.Line = line;
        return new StringValue(text);
    }

    // A default sees every argument that was given and the defaults before it, but nothing from outside by a parameter's name.
    private void Bind(RenderContext context, Scope inner, Arguments arguments, List<KeyValuePair<string, JinjaValue>> named)
    {
        var missing = new List<(string Name, Expression Default)>();
        for (int i = 0; i < macro.Parameters.Count; i++)
        {
            context.Budget.Steps(1 + named.Count);
            (string name, Expression? fallback) = macro.Parameters[i];
            JinjaValue? given = i < arguments.Positional.Count ? arguments.Positional[i] : Take(named, name);
            inner.Set(name, given ?? new UndefinedValue($"parameter '{name}' was not provided"));
            if (given is null && fallback is not null)
            {
                missing.Add((name, fallback));
            }
        }

        foreach ((string name, Expression fallback) in missing)
        {
            inner.Set(name, fallback.Evaluate(context));
        }
    }

    private void BindFurther(RenderContext context, Scope inner, Arguments arguments, List<KeyValuePair<string, JinjaValue>> named)
    {
        if (macro.UsesCaller && macro.Parameters.All(p => p.Name != "caller"))
        {
            inner.Set("caller", Take(named, "caller") ?? new UndefinedValue("no caller defined"));
        }

        if (macro.UsesKwArgs)
        {
            var rest = new DictValue(context);
            foreach ((string name, JinjaValue value) in named)
            {
                rest.Entries[new StringValue(name)] = value;
            }

            inner.Set("kwargs", rest);
        }
        else if (named.Count > 0)
        {
            throw TemplateFault.Runtime($"macro '{macro.Name}' takes no keyword argument '{named[0].Key}'");
        }

        if (macro.UsesVarArgs)
        {
            inner.Set("varargs", new TupleValue([.. arguments.Positional.Skip(macro.Parameters.Count)]));
        }
        else if (arguments.Positional.Count > macro.Parameters.Count)
        {
            throw TemplateFault.Runtime($"macro '{macro.Name}' takes not more than {macro.Parameters.Count} argument(s)");
        }
    }

    private static JinjaValue? Take(List<KeyValuePair<string, JinjaValue>> named, string name)
    {
        int index = named.FindIndex(n => n.Key == name);
        if (index < 0)
        {
            return null;
        }

        JinjaValue value = named[index].Value;
        named.RemoveAt(index);
        return value;
    }
}
