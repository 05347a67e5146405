using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

/// <summary>How a statement ended.</summary>
internal enum Signal
{
    None,
    Break,
    Continue,
}

/// <summary>A part of a template that has a value. Immutable: one tree serves any number of renderings at once.</summary>
internal abstract class Expression
{
    /// <summary>Every evaluation passes here, so that its depth and number are bounded.</summary>
    public JinjaValue Evaluate(RenderContext context)
    {
        context.Budget.Enter();
        JinjaValue value = EvaluateCore(context);
        context.Budget.Leave();
        return value;
    }

    protected abstract JinjaValue EvaluateCore(RenderContext context);
}

/// <summary>A part of a template that writes or does something.</summary>
internal abstract class Statement(int line)
{
    public int Line { get; } = line;

    public Signal Execute(RenderContext context)
    {
        context.Line = Line;
        context.Budget.Enter();
        Signal signal = ExecuteCore(context);
        context.Budget.Leave();
        return signal;
    }

    protected abstract Signal ExecuteCore(RenderContext context);
}

/// <summary>Statements in order.</summary>
internal sealed class Block(IReadOnlyList<Statement> statements)
{
    public Signal Execute(RenderContext context)
    {
        foreach (Statement statement in statements)
        {
            Signal signal = statement.Execute(context);
            if (signal != Signal.None)
            {
                return signal;
            }
        }

        return Signal.None;
    }
}
