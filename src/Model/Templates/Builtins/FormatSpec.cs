using System.Globalization;
using System.Numerics;
using System.Text;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Python's format specification: fill, alignment, sign, width, grouping, precision, type.</summary>
internal sealed record FormatSpec
{
    public string Fill { get; init; } = " ";

    /// <summary>'&lt;', '>', '^', '=' (padding after the sign); null for what the type asks for.</summary>
    public char? Align { get; init; }

    /// <summary>'+', ' ' or '-'.</summary>
    public char Sign { get; init; } = '-';

    /// <summary>Prefix 0x, 0o, 0b.</summary>
    public bool Alternate { get; init; }

    public int Width { get; init; }

    /// <summary>',' or '_' between groups of digits; null for none.</summary>
    public char? Grouping { get; init; }

    public int? Precision { get; init; }

    public char? Type { get; init; }

    /// <summary>Reads <c>[[fill]align][sign][#][0][width][grouping][.precision][type]</c>.</summary>
    public static FormatSpec Parse(string text)
    {
        var spec = new FormatSpec();
        int i = 0;
        if (text.Length > 1 && IsAlign(text[1]))
        {
            spec = spec with { Fill = text[..1], Align = text[1] };
            i = 2;
        }
        else if (text.Length > 0 && IsAlign(text[0]))
        {
            spec = spec with { Align = text[0] };
            i = 1;
        }

        if (i < text.Length && text[i] is '+' or '-' or ' ')
        {
            spec = spec with { Sign = text[i++] };
        }

        if (i < text.Length && text[i] == '#')
        {
            spec = spec with { Alternate = true };
            i++;
        }

        if (i < text.Length && text[i] == '0')
        {
            spec = spec.Align is null ? spec with { Fill = "0", Align = '=' } : spec;
            i++;
        }

        spec = spec with { Width = Number(text, ref i) ?? 0 };
        if (i < text.Length && text[i] is ',' or '_')
        {
            spec = spec with { Grouping = text[i++] };
        }

        if (i < text.Length && text[i] == '.')
        {
            i++;
            spec = spec with { Precision = Number(text, ref i) ?? throw TemplateFault.Runtime("format specifier missing precision") };
        }

        if (i < text.Length)
        {
            spec = spec with { Type = text[i++] };
        }

        return i == text.Length ? spec : throw TemplateFault.Runtime("invalid format specifier");
    }

    /// <summary>Python's <c>format(value, spec)</c>.</summary>
    public string Format(RenderContext context, JinjaValue value) => value switch
    {
        IntValue or BoolValue when Type is null or 'd' or 'n' or 'x' or 'X' or 'o' or 'b' or 'c' => FormatInteger(context, value),
        IntValue or BoolValue or FloatValue when Type is null or 'f' or 'F' or 'e' or 'E' or 'g' or 'G' or 'n' or '%' =>
            FormatReal(context, Numbers.ToDouble(value)),
        StringValue text when Type is null or 's' && Align != '=' => FormatText(context, text.Value),
        _ => throw TemplateFault.Runtime($"the format specifier does not fit an object of type '{value.TypeName}'"),
    };

    public string FormatText(RenderContext context, string text)
    {
        context.Budget.Characters(text.Length / 8);
        string cut = Precision is { } precision ? text[..PythonText.ToUtf16Index(text, precision)] : text;
        return TextOperations.Pad(context, cut, Width, Align ?? '<', Fill);
    }

    public string FormatInteger(RenderContext context, JinjaValue value)
    {
        BigInteger number = Numbers.Integer(value)!.Value;
        BigInteger magnitude = BigInteger.Abs(number);
        if (Type == 'c')
        {
            return number >= 0 && number < 0x110000 && (number < 0xd800 || number > 0xdfff)
                ? FormatText(context, char.ConvertFromUtf32((int)number))
                : throw TemplateFault.Runtime("%c arg not in range(0x110000)");
        }

        (int radix, string prefix) = Type switch { 'x' => (16, "0x"), 'X' => (16, "0X"), 'o' => (8, "0o"), 'b' => (2, "0b"), _ => (10, "") };
        string digits = radix == 10 ? magnitude.ToString(CultureInfo.InvariantCulture) : ToRadix(magnitude, radix);
        digits = Type == 'X' ? digits.ToUpperInvariant() : digits;
        return Assemble(context, number.Sign < 0, Alternate ? prefix : "", digits, "");
    }

    public string FormatReal(RenderContext context, double value)
    {
        if (Precision > FixedPoint.MaxPrecision)
        {
            throw TemplateFault.Bound($"a precision of more than {FixedPoint.MaxPrecision} digits");
        }

        double magnitude = Math.Abs(value);
        string text = Type switch
        {
            'f' or 'F' => FixedPoint.Format(magnitude, Precision ?? 6),
            '%' => FixedPoint.Format(magnitude * 100, Precision ?? 6) + "%",
            'e' or 'E' => FixedPoint.Exponential(magnitude, Precision ?? 6),
            null when Precision is null => PythonFloat.Repr(magnitude),
            _ => FixedPoint.General(magnitude, Precision ?? 6),
        };
        text = Type is 'E' or 'F' or 'G' ? text.ToUpperInvariant() : text;
        int whole = text.AsSpan().IndexOfAnyExcept("0123456789");
        return Assemble(context, double.IsNegative(value), "", whole < 0 ? text : text[..whole], whole < 0 ? "" : text[whole..]);
    }

    private static string ToRadix(BigInteger value, int radix)
    {
        if (value.IsZero)
        {
            return "0";
        }

        var digits = new StringBuilder();
        for (; !value.IsZero; value /= radix)
        {
            digits.Insert(0, "0123456789abcdef"[(int)(value % radix)]);
        }

        return digits.ToString();
    }

    private string Assemble(RenderContext context, bool negative, string prefix, string whole, string rest)
    {
        string sign = negative ? "-" : Sign == '-' ? "" : Sign.ToString();
        string head = sign + prefix;
        if (Grouping is { } separator)
        {
            int size = Type is 'x' or 'X' or 'o' or 'b' ? 4 : 3;
            for (int i = whole.Length - size; i > 0; i -= size)
            {
                whole = whole.Insert(i, separator.ToString());
            }
        }

        return Align == '='
            ? head + TextOperations.Pad(context, whole + rest, Width - head.Length, '>', Fill)
            : TextOperations.Pad(context, head + whole + rest, Width, Align ?? '>', Fill);
    }

    private static bool IsAlign(char c) => c is '<' or '>' or '^' or '=';

    private static int? Number(string text, ref int i)
    {
        int start = i;
        while (i < text.Length && char.IsAsciiDigit(text[i]))
        {
            i++;
        }

        return start == i
            ? null
            : int.TryParse(text.AsSpan(start, i - start), NumberStyles.None, CultureInfo.InvariantCulture, out int value)
                ? value
                : throw TemplateFault.Bound("too many decimal digits in a format string");
    }
}
