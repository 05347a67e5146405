using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

/// <summary>The arguments of a call as written: positional, named, <c>*list</c>, <c>**dict</c>.</summary>
internal sealed class ArgumentList(
    IReadOnlyList<Expression> positional,
    IReadOnlyList<(string Name, Expression Value)> named,
    Expression? star,
    Expression? doubleStar)
{
    public static readonly ArgumentList Empty = new([], [], null, null);

    public Arguments Evaluate(RenderContext context)
    {
        if (positional.Count == 0 && named.Count == 0 && star is null && doubleStar is null)
        {
            return Arguments.None;
        }

        var values = new List<JinjaValue>(positional.Count);
        foreach (Expression argument in positional)
        {
            values.Add(argument.Evaluate(context));
        }

        var names = new List<KeyValuePair<string, JinjaValue>>(named.Count);
        foreach ((string name, Expression value) in named)
        {
            names.Add(new(name, value.Evaluate(context)));
        }

        if (star is not null)
        {
            IReadOnlyList<JinjaValue> items = context.Iterate(star.Evaluate(context));
            context.Budget.Steps(items.Count);
            values.AddRange(items);
        }

        if (doubleStar is not null)
        {
            if (doubleStar.Evaluate(context) is not DictValue dict)
            {
                throw TemplateFault.Runtime("argument after ** must be a mapping");
            }

            context.Budget.Steps(dict.Entries.Count);
            names.AddRange(dict.Entries.Select(e => KeyValuePair.Create(context.Text(e.Key), e.Value)));
        }

        return new Arguments(values, names);
    }
}

internal sealed class Call(Expression function, ArgumentList arguments, int line) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context) => Invoke(context, null);

    /// <summary>Makes the call, with <paramref name="caller"/> as a further named argument (a call block).</summary>
    public JinjaValue Invoke(RenderContext context, MacroValue? caller)
    {
        JinjaValue target = function.Evaluate(context);
        Arguments values = arguments.Evaluate(context);
        if (caller is not null)
        {
            values = new Arguments(values.Positional, [.. values.Named, new("caller", caller)]);
        }

        context.Line = line;
        return target.Call(context, values);
    }
}

/// <summary>One <c>| name(arguments)</c>, without what is piped into it.</summary>
internal sealed class FilterStep(FilterFunction filter, ArgumentList arguments, int line)
{
    public JinjaValue Apply(RenderContext context, JinjaValue value)
    {
        Arguments values = arguments.Evaluate(context);
        context.Line = line;
        return filter(context, value, values);
    }
}

internal sealed class FilterCall(Expression operand, FilterStep step) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context) => step.Apply(context, operand.Evaluate(context));
}

internal sealed class TestCall(Expression operand, TestFunction test, ArgumentList arguments) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        JinjaValue value = operand.Evaluate(context);
        return BoolValue.Of(test(context, value, arguments.Evaluate(context)));
    }
}
