using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class LoopValue(ForStatement statement, Scope outer, IReadOnlyList<JinjaValue> items, int depth) : JinjaValue
{
    private IReadOnlyList<JinjaValue>? _lastChanged;

    public int Index0 { get; set; }

    public override string TypeName => "LoopContext";

    public override bool IsCallable => true;

    public override int? Length(RenderContext context) => items.Count;

    public override JinjaValue? Attribute(string name) => name switch
    {
        "index" => IntValue.Of(Index0 + 1),
        "index0" => IntValue.Of(Index0),
        "revindex" => IntValue.Of(items.Count - Index0),
        "revindex0" => IntValue.Of(items.Count - Index0 - 1),
        "first" => BoolValue.Of(Index0 == 0),
        "last" => BoolValue.Of(Index0 == items.Count - 1),
        "length" => IntValue.Of(items.Count),
        "depth" => IntValue.Of(depth + 1),
        "depth0" => IntValue.Of(depth),
        "previtem" => Index0 > 0 ? items[Index0 - 1] : new UndefinedValue("there is no previous item"),
        "nextitem" => Index0 + 1 < items.Count ? items[Index0 + 1] : new UndefinedValue("there is no next item"),
        "cycle" => new NativeFunction(name, (_, arguments) => Cycle(arguments.Positional)),
        "changed" => new NativeFunction(name, Changed),
        _ => null,
    };

    /// <summary>Renders the loop over the children of an item (a loop with <c>recursive</c>).</summary>
    public override JinjaValue Call(RenderContext context, Arguments arguments)
    {
        if (!statement.IsRecursive)
        {
            throw TemplateFault.Runtime("the loop must have the 'recursive' marker to be called");
        }

        JinjaValue children = arguments.Bind("loop", 1, "iterable")[0]!;
        int line = context.Line;
        string text = context.Capture(() => statement.Render(context, outer, children, depth + 1));
        context.Line = line;
        return new StringValue(text);
    }

    public override void WriteRepr(ReprWriter writer) => writer.Write($"<LoopContext {Index0 + 1}/{items.Count}>");

    private JinjaValue Cycle(IReadOnlyList<JinjaValue> values) => values.Count > 0
        ? values[Index0 % values.Count]
        : throw TemplateFault.Runtime("no items for cycling given");

    private BoolValue Changed(RenderContext context, Arguments arguments)
    {
        bool same = _lastChanged is not null
            && Comparison.AreEqual(context, new TupleValue(_lastChanged), new TupleValue(arguments.Positional));
        _lastChanged = arguments.Positional;
        return BoolValue.Of(!same);
    }
}
