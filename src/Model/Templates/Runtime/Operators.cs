using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>The operators on all kinds of values; numbers are left to <see cref="Numbers"/>.</summary>
internal static class Operators
{
    public static JinjaValue Binary(RenderContext context, string symbol, JinjaValue left, JinjaValue right)
    {
        if (Numbers.IsNumber(left) && Numbers.IsNumber(right))
        {
            return symbol switch
            {
                "+" => Numbers.Add(left, right),
                "-" => Numbers.Subtract(left, right),
                "*" => Numbers.Multiply(left, right),
                "/" => Numbers.Divide(left, right),
                "//" => Numbers.FloorDivide(left, right),
                "%" => Numbers.Modulo(left, right),
                _ => Numbers.Power(left, right),
            };
        }

        switch (symbol, left, right)
        {
            case ("%", StringValue format, _):
                return PercentFormat.Format(context, format.Value, right);
            case (_, UndefinedValue, _) or (_, _, UndefinedValue):
                throw ((left as UndefinedValue) ?? (UndefinedValue)right).Used();
            case ("+", StringValue a, StringValue b):
                context.Budget.Characters(a.Value.Length + b.Value.Length);
                return new StringValue(a.Value + b.Value);
            case ("+", ListValue a, ListValue b):
                return context.NewList([.. a.Items, .. b.Items]);
            case ("+", TupleValue a, TupleValue b):
                context.Budget.Steps(a.Items.Count + b.Items.Count);
                return new TupleValue([.. a.Items, .. b.Items]);
            case ("*", StringValue or ListValue or TupleValue, IntValue or BoolValue):
                return Repeat(context, left, Numbers.ToInt(right));
            case ("*", IntValue or BoolValue, StringValue or ListValue or TupleValue):
                return Repeat(context, right, Numbers.ToInt(left));
            case ("+", StringValue, _):
                throw TemplateFault.Runtime($"can only concatenate str (not \"{right.TypeName}\") to str");
            default:
                string name = symbol == "**" ? "** or pow()" : symbol;
                throw TemplateFault.Runtime($"unsupported operand type(s) for {name}: '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    public static JinjaValue Unary(string symbol, JinjaValue operand) => operand switch
    {
        UndefinedValue undefined => throw undefined.Used(),
        _ when !Numbers.IsNumber(operand) => throw TemplateFault.Runtime($"bad operand type for unary {symbol}: '{operand.TypeName}'"),
        _ => symbol == "-" ? Numbers.Negate(operand) : Numbers.Add(IntValue.Of(0), operand),
    };

    private static JinjaValue Repeat(RenderContext context, JinjaValue value, int count)
    {
        count = Math.Max(count, 0);
        if (value is StringValue text)
        {
            context.Budget.Characters((long)text.Value.Length * count);
            return new StringValue(text.Value.Length == 0 ? "" : new System.Text.StringBuilder().Insert(0, text.Value, count).ToString());
        }

        var sequence = (SequenceValue)value;
        context.Budget.Steps((long)sequence.Items.Count * count);
        var items = new List<JinjaValue>(sequence.Items.Count * count);
        for (int i = 0; i < count && sequence.Items.Count > 0; i++)
        {
            items.AddRange(sequence.Items);
        }

        return sequence.With(items);
    }
}
