using System.Globalization;
using System.Numerics;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>Python's arithmetic on int, float and bool (which counts as 0 or 1).</summary>
internal static class Numbers
{
    private const int LargestArgument = 1 << 30;

    public static bool IsNumber(JinjaValue value) => value is IntValue or FloatValue or BoolValue;

    /// <summary>The value of an int or bool; null for anything else.</summary>
    public static BigInteger? Integer(JinjaValue? value) => value switch
    {
        IntValue number => number.Value,
        BoolValue flag => flag.Value ? 1 : 0,
        _ => null,
    };

    public static double ToDouble(JinjaValue number) =>
        number is FloatValue f ? f.Value : ToDouble(Integer(number) ?? throw NotANumber(number));

    /// <summary>
    /// An argument that must be an integer, clamped to ±2³⁰: beyond every length and count, and far enough inside the range of
    /// int that adding or taking off a length, or changing the sign, does not overflow.
    /// </summary>
    public static int ToInt(JinjaValue value) => Integer(value) is { } number
        ? (int)BigInteger.Clamp(number, -LargestArgument, LargestArgument)
        : throw TemplateFault.Runtime($"'{value.TypeName}' object cannot be interpreted as an integer");

    /// <summary>Order of two numbers; null where one is not a number (NaN).</summary>
    public static int? Compare(JinjaValue left, JinjaValue right)
    {
        if (left is not FloatValue && right is not FloatValue)
        {
            return Integer(left)!.Value.CompareTo(Integer(right)!.Value);
        }

        if (left is FloatValue a && right is FloatValue b)
        {
            return double.IsNaN(a.Value) || double.IsNaN(b.Value) ? null : a.Value.CompareTo(b.Value);
        }

        double real = ((left as FloatValue) ?? (FloatValue)right).Value;
        int sign = left is FloatValue ? 1 : -1;
        BigInteger integer = Integer(left is FloatValue ? right : left)!.Value;
        if (!double.IsFinite(real))
        {
            return double.IsNaN(real) ? null : real > 0 ? sign : -sign;
        }

        int order = new BigInteger(Math.Floor(real)).CompareTo(integer);
        return sign * (order == 0 && real > Math.Floor(real) ? 1 : order);
    }

    /// <summary>A position in a sequence of <paramref name="length"/> elements, negative ones counted from the end.</summary>
    public static bool TryIndex(JinjaValue key, int length, out int index)
    {
        index = -1;
        if (Integer(key) is not { } position)
        {
            return false;
        }

        position += position.Sign < 0 ? length : 0;
        if (position.Sign < 0 || position >= length)
        {
            return false;
        }

        index = (int)position;
        return true;
    }

    public static JinjaValue Add(JinjaValue a, JinjaValue b) =>
        IsReal(a, b) ? new FloatValue(ToDouble(a) + ToDouble(b)) : IntValue.Of(Int(a) + Int(b));

    public static JinjaValue Subtract(JinjaValue a, JinjaValue b) =>
        IsReal(a, b) ? new FloatValue(ToDouble(a) - ToDouble(b)) : IntValue.Of(Int(a) - Int(b));

    public static JinjaValue Multiply(JinjaValue a, JinjaValue b) =>
        IsReal(a, b) ? new FloatValue(ToDouble(a) * ToDouble(b)) : IntValue.Of(Int(a) * Int(b));

    public static JinjaValue Divide(JinjaValue a, JinjaValue b)
    {
        double divisor = ToDouble(b);
        return divisor == 0
            ? throw TemplateFault.Runtime(IsReal(a, b) ? "float division by zero" : "division by zero")
            : new FloatValue(ToDouble(a) / divisor);
    }

    public static JinjaValue FloorDivide(JinjaValue a, JinjaValue b)
    {
        if (IsReal(a, b))
        {
            double divisor = ToDouble(b);
            return divisor == 0
                ? throw TemplateFault.Runtime("float floor division by zero")
                : new FloatValue(Math.Floor((ToDouble(a) - FloorModulo(ToDouble(a), divisor)) / divisor + 0.5));
        }

        if (Int(b).IsZero)
        {
            throw TemplateFault.Runtime("integer division or modulo by zero");
        }

        BigInteger quotient = BigInteger.DivRem(Int(a), Int(b), out BigInteger remainder);
        return IntValue.Of(!remainder.IsZero && (remainder.Sign < 0) != (Int(b).Sign < 0) ? quotient - 1 : quotient);
    }

    public static JinjaValue Modulo(JinjaValue a, JinjaValue b)
    {
        if (IsReal(a, b))
        {
            double divisor = ToDouble(b);
            return divisor == 0 ? throw TemplateFault.Runtime("float modulo") : new FloatValue(FloorModulo(ToDouble(a), divisor));
        }

        if (Int(b).IsZero)
        {
            throw TemplateFault.Runtime("integer modulo by zero");
        }

        BigInteger remainder = BigInteger.Remainder(Int(a), Int(b));
        return IntValue.Of(!remainder.IsZero && (remainder.Sign < 0) != (Int(b).Sign < 0) ? remainder + Int(b) : remainder);
    }

    public static JinjaValue Power(JinjaValue a, JinjaValue b)
    {
        if (!IsReal(a, b) && Int(b).Sign >= 0)
        {
            if (Int(a).IsZero || Int(a).IsOne)
            {
                return IntValue.Of(Int(b).IsZero ? BigInteger.One : Int(a));
            }

            // The result has about bits(a) · b bits.
            return (Int(a).GetBitLength() - 1) * Int(b) > TemplateLimits.IntegerBits || Int(b) > TemplateLimits.IntegerBits * 2
                ? throw TemplateFault.Bound($"an integer of more than {TemplateLimits.IntegerBits} bits")
                : IntValue.Of(BigInteger.Pow(Int(a), (int)Int(b)));
        }

        double value = ToDouble(a), exponent = ToDouble(b);
        if (value == 0 && exponent < 0)
        {
            throw TemplateFault.Runtime("0.0 cannot be raised to a negative power");
        }

        double power = Math.Pow(value, exponent);
        return double.IsNaN(power) && !double.IsNaN(value) && !double.IsNaN(exponent)
            ? throw TemplateFault.Runtime("a root of a negative number is not supported")
            : double.IsInfinity(power) && double.IsFinite(value) && double.IsFinite(exponent)
                ? throw TemplateFault.Runtime("numerical result out of range")
                : new FloatValue(power);
    }

    public static JinjaValue Negate(JinjaValue a) => a is FloatValue f ? new FloatValue(-f.Value) : IntValue.Of(-Int(a));

    /// <summary>Python's <c>int(text, base)</c>; null where it is none.</summary>
    public static BigInteger? ParseInteger(string text, int radix)
    {
        string digits = PythonText.Strip(text, null, true, true);
        bool negative = digits.StartsWith('-');
        digits = digits.StartsWith('-') || digits.StartsWith('+') ? digits[1..] : digits;
        string prefix = digits.Length > 1 && digits[0] == '0' ? char.ToLowerInvariant(digits[1]) switch { 'x' => "x", 'o' => "o", 'b' => "b", _ => "" } : "";
        int implied = prefix switch { "x" => 16, "o" => 8, "b" => 2, _ => 10 };
        if (prefix.Length > 0 && (radix == 0 || radix == implied))
        {
            digits = digits[2..].StartsWith('_') ? digits[3..] : digits[2..];
            radix = implied;
        }
        else if (radix == 0)
        {
            radix = 10;
        }

        // Longer ones exceed the bits; Python refuses more than 4300 digits too.
        if (digits.Length is 0 or > 1300 || digits.StartsWith('_') || digits.EndsWith('_') || digits.Contains("__", StringComparison.Ordinal))
        {
            return null;
        }

        BigInteger value = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : c == '_' ? -1 : 99;
            if (digit >= radix)
            {
                return null;
            }

            value = digit < 0 ? value : (value * radix) + digit;
        }

        return negative ? -value : value;
    }

    /// <summary>Python's <c>float(text)</c>; null where it is none.</summary>
    public static double? ParseFloat(string text)
    {
        string digits = PythonText.Strip(text, null, true, true);
        switch (digits.TrimStart('+', '-').ToLowerInvariant())
        {
            case "inf" or "infinity": return digits.StartsWith('-') ? double.NegativeInfinity : double.PositiveInfinity;
            case "nan": return double.NaN;
        }

        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(digits, Style, CultureInfo.InvariantCulture, out double value) ? value : null;
    }

    private static bool IsReal(JinjaValue a, JinjaValue b) => a is FloatValue || b is FloatValue;

    private static BigInteger Int(JinjaValue value) => Integer(value)!.Value;

    private static double ToDouble(BigInteger value) => double.IsInfinity((double)value)
        ? throw TemplateFault.Runtime("int too large to convert to float")
        : (double)value;

    private static double FloorModulo(double a, double b)
    {
        double remainder = a % b;
        return remainder != 0 ? (remainder < 0) != (b < 0) ? remainder + b : remainder : Math.CopySign(0, b);
    }

    private static TemplateFault NotANumber(JinjaValue value) => TemplateFault.Runtime($"must be real number, not {value.TypeName}");
}
