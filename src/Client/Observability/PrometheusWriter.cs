using System.Globalization;
using System.Text;

namespace ServingGrid.Client.Observability;

/// <summary>Writes the Prometheus text exposition format, version 0.0.4.</summary>
internal sealed class PrometheusWriter
{
    private readonly StringBuilder _text = new();

    public void Header(string name, string type, string? description)
    {
        if (!string.IsNullOrEmpty(description))
        {
            _text.Append("# HELP ").Append(name).Append(' ').Append(Escape(description, quotes: false)).Append('\n');
        }

        _text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
    }

    public void Sample(string name, string labels, double value)
    {
        _text.Append(name);
        if (labels.Length > 0)
        {
            _text.Append('{').Append(labels).Append('}');
        }

        _text.Append(' ').Append(Format(value)).Append('\n');
    }

    public static string Format(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    /// <summary>Labels in a fixed order, so that equal sets are equal texts.</summary>
    public static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.IsEmpty)
        {
            return "";
        }

        var labels = new string[tags.Length];
        for (int i = 0; i < tags.Length; i++)
        {
            string value = Convert.ToString(tags[i].Value, CultureInfo.InvariantCulture) ?? "";
            labels[i] = $"{tags[i].Key}=\"{Escape(value, quotes: true)}\"";
        }

        Array.Sort(labels, StringComparer.Ordinal);
        return string.Join(',', labels);
    }

    public override string ToString() => _text.ToString();

    private static string Escape(string text, bool quotes)
    {
        text = text.Replace("\\", "\\\\").Replace("\n", "\\n");
        return quotes ? text.Replace("\"", "\\\"") : text;
    }
}
