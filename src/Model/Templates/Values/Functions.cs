using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>A function or bound method that the language provides.</summary>
internal sealed class NativeFunction(string name, Func<RenderContext, Arguments, JinjaValue> body) : JinjaValue
{
    public override string TypeName => "builtin_function_or_method";

    public override bool IsCallable => true;

    public override JinjaValue Call(RenderContext context, Arguments arguments) => body(context, arguments);

    public override void WriteRepr(ReprWriter writer) => writer.Write($"<built-in function {name}>");
}

/// <summary>What <c>namespace()</c> gives: fields that inner scopes may set.</summary>
internal sealed class NamespaceValue(DictValue fields) : JinjaValue
{
    public DictValue Fields { get; } = fields;

    public override string TypeName => "Namespace";

    public override JinjaValue? Attribute(string name) => Fields.Entries.GetValueOrDefault(new StringValue(name));

    public override void WriteRepr(ReprWriter writer)
    {
        writer.Write("<Namespace ");
        Fields.WriteRepr(writer);
        writer.Write(">");
    }
}

/// <summary>What <c>cycler(…)</c> gives.</summary>
internal sealed class CyclerValue(IReadOnlyList<JinjaValue> items) : JinjaValue
{
    private int _position;

    public override string TypeName => "Cycler";

    public override JinjaValue? Attribute(string name) => name switch
    {
        "current" => items[_position],
        "next" => new NativeFunction(name, (_, _) => Next()),
        "reset" => new NativeFunction(name, (_, _) => Reset()),
        _ => null,
    };

    public override void WriteRepr(ReprWriter writer) => writer.Write("<Cycler object>");

    private JinjaValue Next()
    {
        JinjaValue current = items[_position];
        _position = (_position + 1) % items.Count;
        return current;
    }

    private NoneValue Reset()
    {
        _position = 0;
        return NoneValue.Instance;
    }
}

/// <summary>What <c>joiner(…)</c> gives: nothing at the first call, the separator from then on.</summary>
internal sealed class JoinerValue(JinjaValue separator) : JinjaValue
{
    private bool _used;

    public override string TypeName => "Joiner";

    public override bool IsCallable => true;

    public override JinjaValue Call(RenderContext context, Arguments arguments)
    {
        JinjaValue value = _used ? separator : StringValue.Empty;
        _used = true;
        return value;
    }

    public override void WriteRepr(ReprWriter writer) => writer.Write("<Joiner object>");
}
