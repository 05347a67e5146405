using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

internal sealed class AttributeAccess(Expression target, string name) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context) => Access.Attribute(context, target.Evaluate(context), name);
}

internal sealed class ElementAccess(Expression target, Expression key) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        JinjaValue value = target.Evaluate(context);
        return Access.Element(context, value, key.Evaluate(context));
    }
}

internal sealed class SliceAccess(Expression target, Expression? start, Expression? stop, Expression? step) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        JinjaValue value = target.Evaluate(context);
        return Access.Slice(context, value, Part(context, start), Part(context, stop), Part(context, step));
    }

    private static JinjaValue Part(RenderContext context, Expression? part) => part?.Evaluate(context) ?? NoneValue.Instance;
}
