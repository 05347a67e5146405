using System.Text;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Python's <c>format % values</c>.</summary>
internal static class PercentFormat
{
    public static StringValue Format(RenderContext context, string format, JinjaValue values)
    {
        context.Budget.Characters(format.Length);
        IReadOnlyList<JinjaValue> positional = values is TupleValue tuple ? tuple.Items : [values];
        var text = new StringBuilder();
        int used = 0;
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }

            i++;
            string? key = Key(format, ref i);
            FormatSpec spec = Spec(format, ref i, () => Next(positional, ref used));
            if (i >= format.Length)
            {
                throw TemplateFault.Runtime("incomplete format");
            }

            char type = format[i];
            if (type == '%')
            {
                text.Append('%');
                continue;
            }

            JinjaValue value = key is null ? Next(positional, ref used)
                : (values as DictValue ?? throw TemplateFault.Runtime("format requires a mapping")).Entries.GetValueOrDefault(new StringValue(key))
                    ?? throw TemplateFault.Runtime($"the format names '{key}', which is not given");
            string part = FormatOne(context, spec, type, value);
            context.Budget.Characters(part.Length + 1);
            text.Append(part);
        }

        return used < positional.Count && values is not (DictValue or ListValue) && (used > 0 || values is not UndefinedValue)
            ? throw TemplateFault.Runtime("not all arguments converted during string formatting")
            : new StringValue(text.ToString());
    }

    public static string Repr(RenderContext context, JinjaValue value)
    {
        var writer = new ReprWriter(context);
        value.WriteRepr(writer);
        return writer.ToString();
    }

    private static JinjaValue Next(IReadOnlyList<JinjaValue> values, ref int used) =>
        used < values.Count ? values[used++] : throw TemplateFault.Runtime("not enough arguments for format string");

    private static string? Key(string format, ref int i)
    {
        if (i >= format.Length || format[i] != '(')
        {
            return null;
        }

        int end = format.IndexOf(')', i);
        if (end < 0)
        {
            throw TemplateFault.Runtime("incomplete format key");
        }

        string key = format[(i + 1)..end];
        i = end + 1;
        return key;
    }

    private static FormatSpec Spec(string format, ref int i, Func<JinjaValue> star)
    {
        int start = i;
        while (i < format.Length && format[i] is '-' or '+' or ' ' or '0' or '#')
        {
            i++;
        }

        string flags = format[start..i];
        bool left = flags.Contains('-'), zero = flags.Contains('0') && !left;
        int? width = Number(format, ref i, star);
        int? precision = null;
        if (i < format.Length && format[i] == '.')
        {
            i++;
            precision = Math.Max(Number(format, ref i, star) ?? 0, 0);
        }

        return new FormatSpec
        {
            Fill = zero ? "0" : " ",
            Align = left || width < 0 ? '<' : zero ? '=' : '>',
            Sign = flags.Contains('+') ? '+' : flags.Contains(' ') ? ' ' : '-',
            Alternate = flags.Contains('#'),
            Width = Math.Abs(width ?? 0),
            Precision = precision,
        };
    }

    private static int? Number(string format, ref int i, Func<JinjaValue> star)
    {
        if (i < format.Length && format[i] == '*')
        {
            i++;
            return Numbers.ToInt(star());
        }

        long value = 0;
        int start = i;
        for (; i < format.Length && char.IsAsciiDigit(format[i]); i++)
        {
            value = Math.Min(int.MaxValue, (value * 10) + (format[i] - '0'));
        }

        return i == start ? null : (int)value;
    }

    private static string FormatOne(RenderContext context, FormatSpec spec, char type, JinjaValue value)
    {
        switch (type)
        {
            case 's': return Plain(spec).FormatText(context, context.Text(value));
            case 'r' or 'a': return Plain(spec).FormatText(context, Repr(context, value));
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o':
                JinjaValue integer = value is FloatValue real && type is 'd' or 'i' or 'u' ? NumberFilters.Truncate((FloatValue)value) : value;
                return Numbers.Integer(integer) is null
                    ? throw TemplateFault.Runtime($"%{type} format: a real number is required, not {value.TypeName}")
                    : (spec with { Type = type is 'i' or 'u' ? 'd' : type, Precision = null }).FormatInteger(context, integer);
            case 'c':
                return value is StringValue text && PythonText.Length(text.Value) == 1
                    ? Plain(spec).FormatText(context, text.Value)
                    : Numbers.Integer(value) is null
                        ? throw TemplateFault.Runtime($"%c requires int or char, not {value.TypeName}")
                        : (Plain(spec) with { Type = 'c' }).FormatInteger(context, value);
            case 'f' or 'F' or 'e' or 'E' or 'g' or 'G':
                return (spec with { Type = type }).FormatReal(context, Numbers.ToDouble(value));
            default:
                throw TemplateFault.Runtime($"unsupported format character '{type}'");
        }
    }

    private static FormatSpec Plain(FormatSpec spec) => spec with { Fill = " ", Align = spec.Align == '=' ? '>' : spec.Align };
}
