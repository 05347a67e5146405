using System.Globalization;
using System.Numerics;

namespace ServingGrid.Model.Templates.Values;

/// <summary>
/// Doubles in decimal with a given precision, rounded as C and Python do: from the exact binary value, ties to even. (The
/// framework rounds ties away from zero.)
/// </summary>
internal static class FixedPoint
{
    /// <summary>Digits after the point that may be asked for.</summary>
    public const int MaxPrecision = 400;

    /// <summary>As <c>%.{precision}f</c>; a negative precision rounds left of the point.</summary>
    public static string Format(double value, int precision)
    {
        if (!double.IsFinite(value))
        {
            return PythonFloat.Repr(value);
        }

        BigInteger scaled = Scale(Math.Abs(value), precision);
        string digits = scaled.ToString(CultureInfo.InvariantCulture);
        if (precision > 0)
        {
            digits = digits.PadLeft(precision + 1, '0');
            digits = digits[..^precision] + "." + digits[^precision..];
        }
        else if (precision < 0 && !scaled.IsZero)
        {
            digits += new string('0', -precision);
        }

        return double.IsNegative(value) ? "-" + digits : digits;
    }

    /// <summary>As <c>%.{precision}e</c>.</summary>
    public static string Exponential(double value, int precision)
    {
        if (!double.IsFinite(value))
        {
            return PythonFloat.Repr(value);
        }

        string text = value.ToString("e" + precision, CultureInfo.InvariantCulture);
        int e = text.IndexOf('e');
        int exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return $"{text[..e]}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    /// <summary>As <c>%.{precision}g</c>: the shorter notation, without trailing zeros.</summary>
    public static string General(double value, int precision)
    {
        precision = Math.Max(precision, 1);
        if (!double.IsFinite(value))
        {
            return PythonFloat.Repr(value);
        }

        string text = Exponential(value, precision - 1);
        int e = text.IndexOf('e');
        int exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return exponent < -4 || exponent >= precision
            ? Trim(text[..e]) + text[e..]
            : Trim(Format(value, precision - 1 - exponent));
    }

    /// <summary>Python's <c>round(value, digits)</c>.</summary>
    public static double Round(double value, int digits)
    {
        // Beyond these a double has no digits left to round, or nothing but them.
        if (digits > 323 || !double.IsFinite(value))
        {
            return value;
        }

        return digits < -308 ? Math.CopySign(0, value) : double.Parse(Format(value, digits), CultureInfo.InvariantCulture);
    }

    private static string Trim(string digits) => digits.Contains('.') ? digits.TrimEnd('0').TrimEnd('.') : digits;

    /// <summary>value · 10^precision, rounded to an integer, ties to even.</summary>
    private static BigInteger Scale(double value, int precision)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)((bits >> 52) & 0x7ff);
        BigInteger numerator = (bits & 0xfffffffffffff) | (exponent == 0 ? 0 : 1L << 52);
        int power = Math.Max(exponent, 1) - 1075;
        BigInteger denominator = BigInteger.One;
        numerator <<= Math.Max(power, 0);
        denominator <<= Math.Max(-power, 0);
        numerator *= BigInteger.Pow(10, Math.Max(precision, 0));
        denominator *= BigInteger.Pow(10, Math.Max(-precision, 0));
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }
}
