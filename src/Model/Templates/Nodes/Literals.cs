using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

internal sealed class Literal(JinjaValue value) : Expression
{
    public JinjaValue Value { get; } = value;

    protected override JinjaValue EvaluateCore(RenderContext context) => Value;
}

internal sealed class Name(string name) : Expression
{
    private readonly UndefinedValue _undefined = new($"'{name}' is undefined");

    public string Identifier => name;

    protected override JinjaValue EvaluateCore(RenderContext context) => context.Scope.Find(name) ?? _undefined;
}

internal sealed class ListLiteral(IReadOnlyList<Expression> items) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        var values = new List<JinjaValue>(items.Count);
        foreach (Expression item in items)
        {
            values.Add(item.Evaluate(context));
        }

        return new ListValue(values);
    }
}

internal sealed class TupleLiteral(IReadOnlyList<Expression> items) : Expression
{
    public IReadOnlyList<Expression> Items => items;

    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        var values = new JinjaValue[items.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = items[i].Evaluate(context);
        }

        return new TupleValue(values);
    }
}

internal sealed class DictLiteral(IReadOnlyList<(Expression Key, Expression Value)> pairs) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        var dict = new DictValue(context);
        foreach ((Expression key, Expression value) in pairs)
        {
            JinjaValue name = context.Keys.Hashable(key.Evaluate(context));
            dict.Entries[name] = value.Evaluate(context);
        }

        return dict;
    }
}
