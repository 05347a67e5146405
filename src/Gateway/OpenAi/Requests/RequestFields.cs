using System.Text.Json;
using ServingGrid.Gateway.Errors;
using ServingGrid.Model;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>
/// The fields of one JSON object of a request. A value of the wrong type or out of range is a 400 that names the field; null counts
/// as absent, as OpenAI has it. It notes what was asked for, so that the rest can be reported as unknown. For one thread.
/// </summary>
internal sealed class RequestFields(JsonElement body, string path = "")
{
    private readonly HashSet<string> _known = [];

    /// <summary>Names of fields that nobody has asked for.</summary>
    public IEnumerable<string> Unknown => body.EnumerateObject().Select(property => property.Name).Where(name => !_known.Contains(name));

    /// <summary>Marks fields that are understood and need no action here.</summary>
    public void Ignore(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            _known.Add(name);
        }
    }

    /// <summary>The field's value; null when absent or null.</summary>
    public JsonElement? Find(string name)
    {
        _known.Add(name);
        return body.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public JsonElement Require(string name) =>
        Find(name) ?? throw ApiException.Invalid($"'{Path(name)}' is missing.", Path(name), "missing_required_parameter");

    public string? Text(string name) => Find(name) is { } value ? JsonValues.Text(value, Path(name)) : null;

    public string RequireText(string name) => JsonValues.Text(Require(name), Path(name));

    public bool Flag(string name) => Find(name) is { } value && (value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw JsonValues.Wrong(Path(name), "true or false"),
    });

    /// <summary>A whole number within a range, ends included.</summary>
    public int? Integer(string name, int min, int max) => (int?)Long(name, min, max);

    /// <inheritdoc cref="Integer(string, int, int)"/>
    public long? Long(string name, long min, long max)
    {
        if (Find(name) is not { } value)
        {
            return null;
        }

        long number = JsonValues.Long(value, Path(name));
        return number >= min && number <= max ? number : throw OutOfRange(name, $"{min} … {max}");
    }

    /// <summary>A number within a range, ends included.</summary>
    public float? Number(string name, double min, double max)
    {
        if (Find(name) is not { } value)
        {
            return null;
        }

        double number = JsonValues.Double(value, Path(name));
        return number >= min && number <= max ? (float)number : throw OutOfRange(name, FormattableString.Invariant($"{min} … {max}"));
    }

    /// <summary>A sampling parameter.</summary>
    public float? Number(SamplingRange range) => Number(range.Name, range.Least, range.Most);

    /// <summary>A sampling parameter that is a whole number.</summary>
    public int? Integer(SamplingRange range) => Integer(range.Name, (int)range.Least, (int)range.Most);

    /// <summary>An object of its own, or null.</summary>
    public RequestFields? Object(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new RequestFields(value, Path(name) + "."),
        _ => throw JsonValues.Wrong(Path(name), "an object"),
    };

    /// <summary>The field's name as the client would write it, with the objects around it.</summary>
    public string Path(string name) => path + name;

    private ApiException OutOfRange(string name, string range) =>
        ApiException.Invalid($"'{Path(name)}' must be in {range}.", Path(name), "value_out_of_range");
}
