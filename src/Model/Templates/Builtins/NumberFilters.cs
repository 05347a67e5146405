using System.Numerics;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Filters that make or change numbers.</summary>
internal static class NumberFilters
{
    public static JinjaValue Abs(RenderContext _, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("abs", 0);
        return value switch
        {
            FloatValue real => new FloatValue(Math.Abs(real.Value)),
            UndefinedValue undefined => throw undefined.Used(),
            _ => IntValue.Of(BigInteger.Abs(Numbers.Integer(value) ?? throw TemplateFault.Runtime($"bad operand type for abs(): '{value.TypeName}'"))),
        };
    }

    /// <summary>The integer that a number or text stands for, and the default where it stands for none.</summary>
    public static JinjaValue ToInt(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("int", 0, "default", "base");
        JinjaValue missing = bound[0] ?? IntValue.Of(0);
        switch (value)
        {
            case UndefinedValue undefined:
                throw undefined.Used();
            case StringValue text:
                // Read as an integer, and as a number with a fraction if it is none.
                context.Budget.Characters(2L * text.Value.Length);
                int radix = bound[1] is null ? 10 : Numbers.ToInt(bound[1]!);
                BigInteger? parsed = radix is 0 or (>= 2 and <= 36) ? Numbers.ParseInteger(text.Value, radix) : null;
                return parsed is { } integer ? IntValue.Of(integer)
                    : Numbers.ParseFloat(text.Value) is { } read && double.IsFinite(read) ? Truncate(new FloatValue(read)) : missing;
            case FloatValue real:
                return double.IsFinite(real.Value) ? Truncate(real) : missing;
            default:
                return Numbers.Integer(value) is { } number ? IntValue.Of(number) : missing;
        }
    }

    public static JinjaValue ToFloat(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue missing = arguments.Bind("float", 0, "default")[0] ?? new FloatValue(0);
        context.Budget.Characters(value is StringValue { Value.Length: var length } ? length : 0);
        return value switch
        {
            UndefinedValue undefined => throw undefined.Used(),
            StringValue text => Numbers.ParseFloat(text.Value) is { } real ? new FloatValue(real) : missing,
            _ => Numbers.IsNumber(value) ? new FloatValue(Numbers.ToDouble(value)) : missing,
        };
    }

    public static JinjaValue Round(RenderContext _, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("round", 0, "precision", "method");
        int precision = bound[0] is null ? 0 : Numbers.ToInt(bound[0]!);
        string method = bound[1] is null ? "common" : StringMethods.Text(bound[1]!);
        if (method is not ("common" or "ceil" or "floor"))
        {
            throw TemplateFault.Runtime("method must be common, ceil or floor");
        }

        if (value is UndefinedValue undefined)
        {
            throw undefined.Used();
        }

        if (method == "common")
        {
            return value is FloatValue real ? new FloatValue(FixedPoint.Round(real.Value, precision))
                : Numbers.Integer(value) is { } integer ? IntValue.Of(precision >= 0 ? integer : RoundInteger(integer, -precision))
                : throw TemplateFault.Runtime($"type {value.TypeName} doesn't define __round__ method");
        }

        double scale = Math.Pow(10, precision);
        double scaled = Numbers.ToDouble(value) * scale;
        return new FloatValue((method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) / scale);
    }

    /// <summary>Python's <c>int(float)</c>.</summary>
    public static JinjaValue Truncate(FloatValue value) => double.IsFinite(value.Value)
        ? IntValue.Of(new BigInteger(Math.Truncate(value.Value)))
        : throw TemplateFault.Runtime($"cannot convert float {PythonFloat.Repr(value.Value)} to integer");

    // To a multiple of a power of ten, ties to even.
    private static BigInteger RoundInteger(BigInteger value, int digits)
    {
        if (digits > TemplateLimits.IntegerBits / 3)
        {
            return BigInteger.Zero;
        }

        BigInteger unit = BigInteger.Pow(10, digits);
        BigInteger quotient = BigInteger.DivRem(BigInteger.Abs(value), unit, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(unit);
        quotient += half > 0 || (half == 0 && !quotient.IsEven) ? 1 : 0;
        return quotient * unit * value.Sign;
    }
}
