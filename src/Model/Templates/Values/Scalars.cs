using System.Numerics;
using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

internal sealed class NoneValue : JinjaValue
{
    public static readonly NoneValue Instance = new();

    public override string TypeName => "NoneType";

    public override bool IsTrue => false;

    public override void WriteRepr(ReprWriter writer) => writer.Write("None");
}

internal sealed class BoolValue : JinjaValue
{
    public static readonly BoolValue True = new(true);
    public static readonly BoolValue False = new(false);

    private BoolValue(bool value) => Value = value;

    public bool Value { get; }

    public override string TypeName => "bool";

    public override bool IsTrue => Value;

    public static BoolValue Of(bool value) => value ? True : False;

    public override void WriteRepr(ReprWriter writer) => writer.Write(Value ? "True" : "False");
}

/// <summary>Python's int: exact, here up to <see cref="TemplateLimits.IntegerBits"/> bits.</summary>
internal sealed class IntValue : JinjaValue
{
    private static readonly IntValue[] Small = [.. Enumerable.Range(-16, 272).Select(i => new IntValue(i))];

    private IntValue(BigInteger value) => Value = value;

    public BigInteger Value { get; }

    public override string TypeName => "int";

    public override bool IsTrue => !Value.IsZero;

    public static IntValue Of(int value) => value is >= -16 and < 256 ? Small[value + 16] : new IntValue(value);

    public static IntValue Of(BigInteger value) => value.GetBitLength() > TemplateLimits.IntegerBits
        ? throw TemplateFault.Bound($"an integer of more than {TemplateLimits.IntegerBits} bits")
        : value >= -16 && value < 256 ? Small[(int)value + 16] : new IntValue(value);

    public override void WriteRepr(ReprWriter writer) => writer.Write(Value.ToString());
}

internal sealed class FloatValue(double value) : JinjaValue
{
    public double Value { get; } = value;

    public override string TypeName => "float";

    public override bool IsTrue => Value != 0;

    public override JinjaValue? Attribute(string name) => name == "is_integer"
        ? new NativeFunction(name, (_, _) => BoolValue.Of(double.IsInteger(Value)))
        : null;

    public override void WriteRepr(ReprWriter writer) => writer.Write(PythonFloat.Repr(Value));
}

/// <summary>A variable or element that does not exist: prints as nothing and fails when used for more.</summary>
/// <param name="reason">What is said when it is used.</param>
internal sealed class UndefinedValue(string reason) : JinjaValue
{
    public override string TypeName => "Undefined";

    public override bool IsTrue => false;

    public override string ToText(RenderContext context) => "";

    public override void WriteRepr(ReprWriter writer) => writer.Write("Undefined");

    public override JinjaValue? Attribute(string name) => throw Used();

    public override JinjaValue? Element(RenderContext context, JinjaValue key) => throw Used();

    public override IReadOnlyList<JinjaValue> Iterate(RenderContext context) => [];

    public override int? Length(RenderContext context) => 0;

    public override bool IsCallable => true;

    public override JinjaValue Call(RenderContext context, Arguments arguments) => throw Used();

    public TemplateFault Used() => TemplateFault.Runtime(reason);
}
