using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

/// <summary><c>{% for target in items if condition recursive %}…{% else %}…{% endfor %}</c>. Each turn has a scope of its own.</summary>
internal sealed class ForStatement(
    Target target, Expression items, Expression? condition, bool recursive, Block body, Block? otherwise, int line) : Statement(line)
{
    // A turn costs a scope and a table of variables; counted so that memory stays in proportion to steps.
    private const int StepsPerTurn = 4;

    public bool IsRecursive => recursive;

    protected override Signal ExecuteCore(RenderContext context)
    {
        Render(context, context.Scope, items.Evaluate(context), 0);
        return Signal.None;
    }

    /// <summary>Runs the loop over <paramref name="values"/>, writing to the current output.</summary>
    public void Render(RenderContext context, Scope outer, JinjaValue values, int depth)
    {
        IReadOnlyList<JinjaValue> taken = Matching(context, outer, context.Iterate(values));
        var loop = new LoopValue(this, outer, taken, depth);
        bool completed = false;
        for (int i = 0; i < taken.Count; i++)
        {
            context.Budget.Steps(StepsPerTurn);
            loop.Index0 = i;
            var scope = new Scope(outer);
            scope.Set("loop", loop);
            target.Assign(context, scope, taken[i]);
            Signal signal = context.Run(scope, body);
            completed |= signal == Signal.None;
            if (signal == Signal.Break)
            {
                break;
            }
        }

        // As in jinja2, the else part also runs where every turn ended in a break or continue.
        if (!completed && otherwise is not null)
        {
            context.Run(new Scope(outer), otherwise);
        }
    }

    private IReadOnlyList<JinjaValue> Matching(RenderContext context, Scope outer, IReadOnlyList<JinjaValue> values)
    {
        if (condition is null)
        {
            return values;
        }

        var matching = new List<JinjaValue>();
        Scope current = context.Scope;
        foreach (JinjaValue value in values)
        {
            context.Scope = new Scope(outer);
            target.Assign(context, context.Scope, value);
            if (condition.Evaluate(context).IsTrue)
            {
                matching.Add(value);
            }
        }

        context.Scope = current;
        return matching;
    }
}
