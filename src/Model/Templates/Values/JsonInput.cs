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
        try
        {
            foreach ((string name, JsonNode? value) in json)
            {
                dict.Entries[new StringValue(name)] = Read(context, value, depth + 1);
            }
        }
        catch (ArgumentException)
        {
            // A parsed JsonObject finds out that a name occurs twice only when it is enumerated.
            throw TemplateFault.Runtime("the chat holds a JSON object in which a name occurs twice");
        }

        return dict;
    }

    private static JinjaValue ReadScalar(RenderContext context, JsonValue value)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.True: return BoolValue.True;
            case JsonValueKind.False: return BoolValue.False;
            case JsonValueKind.Number: return ReadNumber(value);
            default:
                string text = value.TryGetValue(out string? plain) ? plain : value.ToString();
                return context.NewString(text);
        }
    }

    private static JinjaValue ReadNumber(JsonValue value)
    {
        if (value.TryGetValue(out int small))
        {
            return IntValue.Of(small);
        }

        if (value.TryGetValue(out double real) && !double.IsFinite(real))
        {
            return new FloatValue(real);
        }

        string text = value.ToJsonString();
        return text.AsSpan().ContainsAny(".eE") ? new FloatValue(real)
            : Numbers.ParseInteger(text, 10) is BigInteger integer ? IntValue.Of(integer)
            : throw TemplateFault.Bound($"an integer of more than {TemplateLimits.IntegerBits} bits");
    }
}
