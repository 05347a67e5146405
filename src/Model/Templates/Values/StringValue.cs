using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>Python's str. Lengths and indices count code points.</summary>
internal sealed class StringValue(string value) : JinjaValue
{
    public static readonly StringValue Empty = new("");

    public string Value { get; } = value;

    public override string TypeName => "str";

    public override bool IsTrue => Value.Length > 0;

    public override string ToText(RenderContext context) => Value;

    public override void WriteRepr(ReprWriter writer) => writer.WriteQuoted(Value);

    public override JinjaValue? Attribute(string name) => StringMethods.Find(this, name);

    public override JinjaValue? Element(RenderContext context, JinjaValue key)
    {
        if (key is not (IntValue or BoolValue))
        {
            return null;
        }

        int length = Length(context)!.Value;
        if (!Numbers.TryIndex(key, length, out int index))
        {
            return null;
        }

        int start = PythonText.ToUtf16Index(Value, index);
        bool pair = start + 1 < Value.Length && char.IsSurrogatePair(Value[start], Value[start + 1]);
        return new StringValue(Value.Substring(start, pair ? 2 : 1));
    }

    public override IReadOnlyList<JinjaValue> Iterate(RenderContext context)
    {
        context.Budget.Steps(Value.Length);
        return [.. PythonText.Characters(Value).Select(c => new StringValue(c))];
    }

    public override int? Length(RenderContext context) => context.Length(Value);
}
