using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

/// <summary>Text between tags.</summary>
internal sealed class TextStatement(string text, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        context.Write(text);
        return Signal.None;
    }
}

/// <summary><c>{{ expression }}</c>.</summary>
internal sealed class OutputStatement(Expression expression, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        context.Write(context.Text(expression.Evaluate(context)));
        return Signal.None;
    }
}

/// <summary><c>{% do expression %}</c>.</summary>
internal sealed class DoStatement(Expression expression, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        expression.Evaluate(context);
        return Signal.None;
    }
}

internal sealed class IfStatement(IReadOnlyList<(Expression Condition, Block Body)> branches, Block? otherwise, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        foreach ((Expression condition, Block body) in branches)
        {
            if (condition.Evaluate(context).IsTrue)
            {
                return body.Execute(context);
            }
        }

        return otherwise?.Execute(context) ?? Signal.None;
    }
}

internal sealed class SetStatement(Target target, Expression value, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        target.Assign(context, context.Scope, value.Evaluate(context));
        return Signal.None;
    }
}

/// <summary><c>{% set name | filters %}…{% endset %}</c>.</summary>
internal sealed class SetBlockStatement(Target target, IReadOnlyList<FilterStep> filters, Block body, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        JinjaValue value = new StringValue(context.Capture(new Scope(context.Scope), body));
        foreach (FilterStep filter in filters)
        {
            value = filter.Apply(context, value);
        }

        target.Assign(context, context.Scope, value);
        return Signal.None;
    }
}

/// <summary><c>{% filter filters %}…{% endfilter %}</c>.</summary>
internal sealed class FilterBlockStatement(IReadOnlyList<FilterStep> filters, Block body, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        JinjaValue value = new StringValue(context.Capture(new Scope(context.Scope), body));
        foreach (FilterStep filter in filters)
        {
            value = filter.Apply(context, value);
        }

        context.Write(context.Text(value));
        return Signal.None;
    }
}

/// <summary><c>{% with a = 1 %}…{% endwith %}</c>; without names a plain scope, which <c>{% generation %}</c> is too.</summary>
internal sealed class WithStatement(IReadOnlyList<(Target Target, Expression Value)> variables, Block body, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context)
    {
        var scope = new Scope(context.Scope);
        foreach ((Target target, Expression value) in variables)
        {
            target.Assign(context, scope, value.Evaluate(context));
        }

        return context.Run(scope, body);
    }
}

/// <summary><c>{% break %}</c> and <c>{% continue %}</c>.</summary>
internal sealed class JumpStatement(Signal signal, int line) : Statement(line)
{
    protected override Signal ExecuteCore(RenderContext context) => signal;
}
