using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>
/// A value of the template language, with the behaviour of its counterpart in Python. What a kind of value does not support
/// is null (no such attribute, no such element, not iterable): the caller knows the error or the fallback.
/// </summary>
internal abstract class JinjaValue
{
    /// <summary>Python's name of the type, for messages.</summary>
    public abstract string TypeName { get; }

    public virtual bool IsTrue => true;

    /// <summary>What <c>{{ value }}</c> prints: Python's <c>str</c>.</summary>
    public virtual string ToText(RenderContext context)
    {
        var writer = new ReprWriter(context);
        WriteRepr(writer);
        return writer.ToString();
    }

    /// <summary>Python's <c>repr</c>.</summary>
    public abstract void WriteRepr(ReprWriter writer);

    /// <summary>Python's <c>getattr</c>: methods and fields, not elements.</summary>
    public virtual JinjaValue? Attribute(string name) => null;

    /// <summary>Python's <c>value[key]</c>.</summary>
    public virtual JinjaValue? Element(RenderContext context, JinjaValue key) => null;

    /// <summary>
    /// What a loop over the value yields, taken now. Iterators are emptied by this. The result must not be changed.
    /// </summary>
    public virtual IReadOnlyList<JinjaValue>? Iterate(RenderContext context) => null;

    /// <summary>Python's <c>len</c>.</summary>
    public virtual int? Length(RenderContext context) => null;

    public virtual bool IsCallable => false;

    public virtual JinjaValue Call(RenderContext context, Arguments arguments) =>
        throw TemplateFault.Runtime($"'{TypeName}' object is not callable");
}
