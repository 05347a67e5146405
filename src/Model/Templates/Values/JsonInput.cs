using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>Turns JSON into values of the template language: integers stay integers, objects keep their order.</summary>
internal static class JsonInput
{
    public static JinjaValue Read(RenderContext context, JsonNode? node, int depth = 0)
    {
        context.Budget.Steps(1);
        if (depth > TemplateLimits.ValueDepth)
        {
            throw TemplateFault.Bound($"JSON nested deeper than {TemplateLimits.ValueDepth}");
        }

        switch (node)
        {
            case null: return NoneValue.Instance;
            case JsonObject json: return ReadObject(context, json, depth);
            case JsonArray array:
                var items = new List<JinjaValue>(array.Count);
                foreach (JsonNode? item in array)
                {
                    items.Add(Read(context, item, depth + 1));
                }

                return new ListValue(items);
            default: return ReadScalar(context, node.AsValue());
        }
    }

    private static DictValue ReadObject(RenderContext context, JsonObject json, int depth)
    {
        var dict = new DictValue(context);
        foreach ((string name, JsonNode? value) in Properties(json))
        {
            dict.Entries[new StringValue(name)] = Read(context, value, depth + 1);
        }

        return dict;
    }

    // A parsed JsonObject finds out what is wrong with its names only when it is enumerated.
    private static KeyValuePair<string, JsonNode?>[] Properties(JsonObject json)
    {
        try
        {
            return [.. json];
        }
        catch (ArgumentException)
        {
            throw TemplateFault.Runtime("the chat holds a JSON object in which a name occurs twice");
        }
        catch (InvalidOperationException)
        {
            throw HalfCharacter();
        }
    }

    private static JinjaValue ReadScalar(RenderContext context, JsonValue value)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.True: return BoolValue.True;
            case JsonValueKind.False: return BoolValue.False;
            case JsonValueKind.Number: return ReadNumber(value);
            default:
                return context.NewString(ReadText(value));
        }
    }

    private static string ReadText(JsonValue value)
    {
        try
        {
            return value.TryGetValue(out string? plain) ? plain : value.ToString();
        }
        catch (InvalidOperationException)
        {
            throw HalfCharacter();
        }
    }

    // An escape such as \ud83d without its other half: the parser lets it pass, reading it as text does not.
    private static TemplateFault HalfCharacter() => TemplateFault.Runtime("the chat holds a JSON string with half of a surrogate pair");

    private static JinjaValue ReadNumber(JsonValue value)
    {
        if (value.TryGetValue(out int small))
        {
            return IntValue.Of(small);
        }

        // Numbers that have no text in JSON.
        double real = value.TryGetValue(out double wide) ? wide : value.TryGetValue(out float narrow) ? narrow : 0;
        if (!double.IsFinite(real))
        {
            return new FloatValue(real);
        }

        string text = value.ToJsonString();
        return text.AsSpan().ContainsAny(".eE") ? new FloatValue(double.Parse(text, CultureInfo.InvariantCulture))
            : Numbers.ParseInteger(text, 10) is BigInteger integer ? IntValue.Of(integer)
            : throw TemplateFault.Bound($"an integer of more than {TemplateLimits.IntegerBits} bits");
    }
}
