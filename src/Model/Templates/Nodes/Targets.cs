using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

/// <summary>What stands left of <c>=</c> or of <c>in</c>.</summary>
internal abstract class Target
{
    /// <param name="context">The rendering, for limits and for reading a namespace.</param>
    /// <param name="scope">Where names are set.</param>
    /// <param name="value">The value to assign.</param>
    public abstract void Assign(RenderContext context, Scope scope, JinjaValue value);
}

internal sealed class NameTarget(string name) : Target
{
    public override void Assign(RenderContext context, Scope scope, JinjaValue value) => scope.Set(name, value);
}

internal sealed class TupleTarget(IReadOnlyList<Target> parts) : Target
{
    public override void Assign(RenderContext context, Scope scope, JinjaValue value)
    {
        IReadOnlyList<JinjaValue> items = context.Unpack(value, parts.Count);
        for (int i = 0; i < parts.Count; i++)
        {
            parts[i].Assign(context, scope, items[i]);
        }
    }
}

internal sealed class NamespaceTarget(string name, string field) : Target
{
    public override void Assign(RenderContext context, Scope scope, JinjaValue value)
    {
        if (context.Scope.Find(name) is not NamespaceValue space)
        {
            throw TemplateFault.Runtime($"cannot assign attribute '{field}' on '{name}', which is not a namespace");
        }

        space.Fields.Entries[new StringValue(field)] = value;
    }
}
