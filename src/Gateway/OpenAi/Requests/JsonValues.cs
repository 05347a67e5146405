using System.Text.Json;
using System.Text.Json.Nodes;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>Reads single JSON values; whatever is not what it should be is a 400 that names the field.</summary>
internal static class JsonValues
{
    public static string Text(JsonElement value, string param) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(param, "a string");

    /// <summary>A whole number; 16.0 is one too, since clients in languages without integers write it so.</summary>
    public static long Long(JsonElement value, string param)
    {
        if (value.ValueKind == JsonValueKind.Number)
        {
            if (value.TryGetInt64(out long number))
            {
                return number;
            }

            // Beyond 2^53 a double no longer says which whole number was meant.
            if (value.TryGetDouble(out double real) && Math.Abs(real) <= 1L << 53 && Math.Truncate(real) == real)
            {
                return (long)real;
            }
        }

        throw Wrong(param, "an integer");
    }

    public static double Double(JsonElement value, string param) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number)
            ? number
            : throw Wrong(param, "a number");

    /// <summary>The items of an array that has no more of them than <paramref name="most"/>.</summary>
    public static IEnumerable<JsonElement> Items(JsonElement value, string param, int most)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(param, "an array");
        }

        return value.GetArrayLength() <= most
            ? value.EnumerateArray()
            : throw ApiException.Invalid(
                $"'{param}' has {value.GetArrayLength()} items; it may have at most {most}.", param, "array_above_max_length");
    }

    /// <summary>A tree of its own, for templates that look anywhere into it.</summary>
    public static JsonNode? Tree(JsonElement value, string param) => value.ValueKind switch
    {
        JsonValueKind.Object => TreeObject(value, param),
        JsonValueKind.Array => new JsonArray([.. value.EnumerateArray().Select(item => Tree(item, param))]),
        JsonValueKind.String => JsonValue.Create(Text(value, param)),
        JsonValueKind.Number => value.TryGetInt64(out long number) ? JsonValue.Create(number) : JsonValue.Create(Double(value, param)),
        JsonValueKind.True => JsonValue.Create(true),
        JsonValueKind.False => JsonValue.Create(false),
        _ => null,
    };

    /// <inheritdoc cref="Tree"/>
    public static JsonObject TreeObject(JsonElement value, string param)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(param, "an object");
        }

        var tree = new JsonObject();
        foreach (JsonProperty field in value.EnumerateObject())
        {
            tree[field.Name] = Tree(field.Value, param);
        }

        return tree;
    }

    public static ApiException Wrong(string param, string expected) =>
        ApiException.Invalid($"'{param}' must be {expected}.", param, "invalid_type");
}
