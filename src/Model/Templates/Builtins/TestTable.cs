using System.Collections.Frozen;
using System.Numerics;
using ServingGrid.Model.Templates.Nodes;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>What stands behind <c>value is name(arguments)</c>.</summary>
internal delegate bool TestFunction(RenderContext context, JinjaValue value, Arguments arguments);

/// <summary>The tests by name.</summary>
internal static class TestTable
{
    private static readonly FrozenDictionary<string, TestFunction> Table = new Dictionary<string, TestFunction>
    {
        ["defined"] = Plain(v => v is not UndefinedValue),
        ["undefined"] = Plain(v => v is UndefinedValue),
        ["none"] = Plain(v => v is NoneValue),
        ["boolean"] = Plain(v => v is BoolValue),
        ["true"] = Plain(v => v is BoolValue { Value: true }),
        ["false"] = Plain(v => v is BoolValue { Value: false }),
        ["string"] = Plain(v => v is StringValue),
        ["number"] = Plain(Numbers.IsNumber),
        ["integer"] = Plain(v => v is IntValue),
        ["float"] = Plain(v => v is FloatValue),
        ["mapping"] = Plain(v => v is DictValue),
        ["iterable"] = Plain(v => v is StringValue or SequenceValue or DictValue or DictView or IteratorValue or UndefinedValue or LoopValue),
        ["sequence"] = Plain(v => v is StringValue or SequenceValue or DictValue or UndefinedValue),
        ["callable"] = Plain(v => v.IsCallable),
        ["escaped"] = Plain(_ => false),
        ["odd"] = (c, v, a) => Remainder(c, v, a, "odd", IntValue.Of(2)).IsOne,
        ["even"] = (c, v, a) => Remainder(c, v, a, "even", IntValue.Of(2)).IsZero,
        ["divisibleby"] = (c, v, a) => Remainder(c, v, Arguments.None, "divisibleby", a.Bind("divisibleby", 1, "num")[0]!).IsZero,
        ["lower"] = (c, v, a) => StringMethods.IsCased(c, c.Text(v), upper: false),
        ["upper"] = (c, v, a) => StringMethods.IsCased(c, c.Text(v), upper: true),
        ["sameas"] = (c, v, a) => IsSame(c, v, a.Bind("sameas", 1, "other")[0]!),
        ["filter"] = (c, v, a) => v is StringValue name && FilterTable.Find(name.Value) is not null,
        ["test"] = (c, v, a) => v is StringValue name && Find(name.Value) is not null,
        ["in"] = Operator("in"),
        ["eq"] = Operator("=="),
        ["equalto"] = Operator("=="),
        ["=="] = Operator("=="),
        ["ne"] = Operator("!="),
        ["!="] = Operator("!="),
        ["lt"] = Operator("<"),
        ["lessthan"] = Operator("<"),
        ["<"] = Operator("<"),
        ["le"] = Operator("<="),
        ["<="] = Operator("<="),
        ["gt"] = Operator(">"),
        ["greaterthan"] = Operator(">"),
        [">"] = Operator(">"),
        ["ge"] = Operator(">="),
        [">="] = Operator(">="),
    }.ToFrozenDictionary();

    public static TestFunction? Find(string name) => Table.GetValueOrDefault(name);

    private static TestFunction Plain(Func<JinjaValue, bool> test) => (_, value, arguments) =>
    {
        arguments.Bind("test", 0);
        return test(value);
    };

    private static TestFunction Operator(string symbol) =>
        (context, value, arguments) => Comparisons.Holds(context, symbol, value, arguments.Bind(symbol, 1, "other")[0]!);

    private static BigInteger Remainder(RenderContext context, JinjaValue value, Arguments arguments, string name, JinjaValue divisor)
    {
        arguments.Bind(name, 0);
        return Operators.Binary(context, "%", value, divisor) switch
        {
            // A number that is no integer is neither odd nor even, nor divisible.
            FloatValue { Value: var real } => double.IsInteger(real) ? new BigInteger(real) : BigInteger.MinusOne,
            var remainder => Numbers.Integer(remainder) ?? BigInteger.MinusOne,
        };
    }

    // Python's identity: small integers and equal constants are one object there.
    private static bool IsSame(RenderContext context, JinjaValue left, JinjaValue right) => (left, right) switch
    {
        (IntValue a, IntValue b) => a.Value == b.Value,
        (StringValue a, StringValue b) => Comparison.AreEqual(context, a, b),
        _ => ReferenceEquals(left, right),
    };
}
