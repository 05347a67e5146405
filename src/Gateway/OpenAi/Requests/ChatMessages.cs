using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ServingGrid.Client;
using ServingGrid.Gateway.Errors;
using ServingGrid.Gateway.Http;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>Brings OpenAI's messages into the form that chat templates expect.</summary>
internal static class ChatMessages
{
    // Each becomes some tokens at least, and a tree of objects for the template before that.
    private const int MaxMessages = 16_384;

    /// <summary>What the template sees: every content a text (or null), every role one that templates know.</summary>
    /// <exception cref="ApiException">400, with the field at fault; also when the texts alone are far beyond the model's
    /// context.</exception>
    public static JsonArray Read(JsonElement messages, ModelText model)
    {
        var length = new TextLength(model, "messages");
        var result = new JsonArray();
        foreach (JsonElement message in JsonValues.Items(messages, "messages", MaxMessages))
        {
            string param = $"messages[{result.Count}]";
            result.Add(
                message.ValueKind == JsonValueKind.Object ? Read(message, param, length) : throw JsonValues.Wrong(param, "an object"));
        }

        return result.Count > 0 ? result : throw ApiException.Invalid("'messages' is empty.", "messages");
    }

    private static JsonObject Read(JsonElement message, string param, TextLength length)
    {
        var fields = new RequestFields(message, param + ".");
        string role = fields.RequireText("role");
        JsonElement? toolCalls = fields.Find("tool_calls");
        string? content = ReadContent(fields, length);
        if (content is null && toolCalls is null)
        {
            throw ApiException.Invalid($"'{param}.content' is missing.", $"{param}.content");
        }

        // Everything else (name, tool_call_id, reasoning_content …) is for the template to use.
        JsonObject result = JsonValues.TreeObject(message, param);
        result["role"] = MapRole(role, fields.Path("role"));
        result["content"] = content;
        if (toolCalls is not null)
        {
            ParseArguments(result["tool_calls"], fields.Path("tool_calls"));
        }

        return result;
    }

    // Newer clients say "developer" where every template says "system".
    private static string MapRole(string role, string param) => role switch
    {
        "developer" => "system",
        "system" or "user" or "assistant" or "tool" => role,
        _ => throw ApiException.Invalid($"'{param}' must be system, developer, user, assistant or tool.", param, "invalid_value"),
    };

    private static string? ReadContent(RequestFields fields, TextLength length) => fields.Find("content") switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => length.Text(text, fields.Path("content")),
        { ValueKind: JsonValueKind.Array } parts =>
            string.Join('\n', parts.EnumerateArray().Select((part, i) => ReadPart(part, fields.Path($"content[{i}]"), length))),
        _ => throw JsonValues.Wrong(fields.Path("content"), "a string or an array of parts"),
    };

    private static string ReadPart(JsonElement part, string param, TextLength length)
    {
        if (part.ValueKind != JsonValueKind.Object)
        {
            throw JsonValues.Wrong(param, "an object");
        }

        var fields = new RequestFields(part, param + ".");
        return fields.RequireText("type") == "text"
            ? length.Text(fields.Require("text"), fields.Path("text"))
            : throw ApiException.Invalid($"'{param}.type' must be \"text\": other kinds of content are not supported.", $"{param}.type", "unsupported_value");
    }

    // OpenAI sends arguments as a string of JSON; templates iterate over them as an object. What is no object stays a string.
    private static void ParseArguments(JsonNode? calls, string param)
    {
        if (calls is not JsonArray array)
        {
            throw JsonValues.Wrong(param, "an array");
        }

        foreach (JsonNode? call in array)
        {
            if (call is JsonObject && call["function"] is JsonObject function
                && function["arguments"] is JsonValue value && value.TryGetValue(out string? text)
                && TryParseObject(text, param) is { } arguments)
            {
                function["arguments"] = arguments;
            }
        }
    }

    private static JsonObject? TryParseObject(string text, string param) =>
        StrictJson.TryParse(Encoding.UTF8.GetBytes(text), out JsonElement parsed, out _) && parsed.ValueKind == JsonValueKind.Object
            ? JsonValues.TreeObject(parsed, param)
            : null;
}
