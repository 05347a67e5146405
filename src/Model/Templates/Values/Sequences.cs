using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>A value with elements by position: list, tuple, range.</summary>
internal abstract class SequenceValue : JinjaValue
{
    public abstract IReadOnlyList<JinjaValue> Items { get; }

    public override bool IsTrue => Items.Count > 0;

    public override JinjaValue? Element(RenderContext context, JinjaValue key) =>
        Numbers.TryIndex(key, Items.Count, out int index) ? Items[index] : null;

    public override IReadOnlyList<JinjaValue> Iterate(RenderContext context) => Items;

    public override int? Length(RenderContext context) => Items.Count;

    /// <summary>A value of the same kind over other elements (what a slice gives).</summary>
    public abstract SequenceValue With(List<JinjaValue> items);
}

internal sealed class ListValue(List<JinjaValue> items) : SequenceValue
{
    public override string TypeName => "list";

    public override IReadOnlyList<JinjaValue> Items => Mutable;

    public List<JinjaValue> Mutable { get; } = items;

    // A copy, because a loop's body may change the list.
    public override IReadOnlyList<JinjaValue> Iterate(RenderContext context)
    {
        context.Budget.Steps(Mutable.Count / 8);
        return Mutable.ToArray();
    }

    public override JinjaValue? Attribute(string name) => ListMethods.Find(this, name);

    public override SequenceValue With(List<JinjaValue> items) => new ListValue(items);

    public override void WriteRepr(ReprWriter writer) => writer.WriteList("[", Mutable, "]");
}

internal sealed class TupleValue(IReadOnlyList<JinjaValue> items) : SequenceValue
{
    public override string TypeName => "tuple";

    public override IReadOnlyList<JinjaValue> Items { get; } = items;

    public override JinjaValue? Attribute(string name) => TupleMethods.Find(this, name);

    public override SequenceValue With(List<JinjaValue> items) => new TupleValue(items);

    public override void WriteRepr(ReprWriter writer) => writer.WriteList("(", Items, Items.Count == 1 ? ",)" : ")");
}

/// <summary>What <c>groupby</c> yields: a pair whose parts also have names.</summary>
internal sealed class GroupValue(JinjaValue grouper, ListValue list) : SequenceValue
{
    public override string TypeName => "_GroupTuple";

    public override IReadOnlyList<JinjaValue> Items { get; } = [grouper, list];

    public override JinjaValue? Attribute(string name) => name switch { "grouper" => Items[0], "list" => Items[1], _ => null };

    public override SequenceValue With(List<JinjaValue> items) => new TupleValue(items);

    public override void WriteRepr(ReprWriter writer) => writer.WriteList("(", Items, ")");
}

/// <summary>Integers at equal distances.</summary>
internal sealed class RangeValue(IntValue start, IntValue stop, IntValue step, IReadOnlyList<JinjaValue> items) : SequenceValue
{
    public override string TypeName => "range";

    public override IReadOnlyList<JinjaValue> Items { get; } = items;

    public override JinjaValue? Attribute(string name) => name switch
    {
        "start" => start,
        "stop" => stop,
        "step" => step,
        _ => null,
    };

    public override SequenceValue With(List<JinjaValue> items) => new ListValue(items);

    /// <summary>The elements from one index up to another, which is a range again.</summary>
    /// <param name="from">Index of the first element.</param>
    /// <param name="to">Index before which it ends (after which, when it goes backwards).</param>
    /// <param name="stride">Every how many of them; negative: backwards.</param>
    /// <param name="picked">The elements.</param>
    public RangeValue Slice(int from, int to, int stride, List<JinjaValue> picked) => new(
        IntValue.Of(start.Value + (from * step.Value)), IntValue.Of(start.Value + (to * step.Value)), IntValue.Of(step.Value * stride), picked);

    public override void WriteRepr(ReprWriter writer) => writer.Write(
        step.Value.IsOne ? $"range({start.Value}, {stop.Value})" : $"range({start.Value}, {stop.Value}, {step.Value})");
}

/// <summary>
/// What filters such as <c>map</c> yield: elements that can be taken once, without length or positions. (Python's are lazy;
/// these are computed at once, which differs only in when an error shows.)
/// </summary>
internal sealed class IteratorValue(string typeName, IReadOnlyList<JinjaValue> items) : JinjaValue
{
    private int _taken;

    public override string TypeName => typeName;

    public override IReadOnlyList<JinjaValue> Iterate(RenderContext context)
    {
        int taken = _taken;
        _taken = items.Count;
        return taken == 0 ? items : [.. items.Skip(taken)];
    }

    /// <summary>Takes one element; null at the end.</summary>
    public JinjaValue? Next() => _taken < items.Count ? items[_taken++] : null;

    public override void WriteRepr(ReprWriter writer) => writer.Write($"<{typeName} object>");
}
