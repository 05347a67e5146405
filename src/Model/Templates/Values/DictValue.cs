using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>Python's dict: keeps the order of insertion; keys are compared by value (1, 1.0 and True are one key).</summary>
internal sealed class DictValue(RenderContext context) : JinjaValue
{
    public OrderedDictionary<JinjaValue, JinjaValue> Entries { get; } = new(context.Keys);

    public override string TypeName => "dict";

    public override bool IsTrue => Entries.Count > 0;

    public override JinjaValue? Attribute(string name) => DictMethods.Find(this, name);

    // An unhashable key cannot be in a dictionary: as for jinja2, asking for it finds nothing.
    public override JinjaValue? Element(RenderContext context, JinjaValue key) =>
        context.Keys.IsHashable(key) && Entries.TryGetValue(key, out JinjaValue? value) ? value : null;

    public override IReadOnlyList<JinjaValue> Iterate(RenderContext context)
    {
        context.Budget.Steps(Entries.Count / 8);
        return Entries.Keys.ToArray();
    }

    public override int? Length(RenderContext context) => Entries.Count;

    public override void WriteRepr(ReprWriter writer) => writer.WriteDict(Entries);

    /// <summary>The pairs as tuples, taken now.</summary>
    public List<JinjaValue> Pairs(RenderContext context)
    {
        context.Budget.Steps(Entries.Count);
        return [.. Entries.Select(e => (JinjaValue)new TupleValue([e.Key, e.Value]))];
    }
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> give: a view that follows its dictionary.</summary>
internal sealed class DictView(string typeName, DictValue dict, Func<RenderContext, IReadOnlyList<JinjaValue>> elements) : JinjaValue
{
    public override string TypeName => typeName;

    public override bool IsTrue => dict.IsTrue;

    public override IReadOnlyList<JinjaValue> Iterate(RenderContext context) => elements(context);

    public override int? Length(RenderContext context) => dict.Entries.Count;

    public override void WriteRepr(ReprWriter writer) => writer.WriteList(typeName + "([", elements(writer.Context), "])");
}
