using System.Text.Json;
using System.Text.Json.Nodes;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>Tools are shown to the model through its template; the model is free to use them or not.</summary>
internal static class ChatTools
{
    private const int MaxTools = 1024;

    /// <summary>The tools that the template shall show; null when there are none or the choice is "none".</summary>
    public static JsonArray? Read(RequestFields fields)
    {
        JsonArray? tools = ReadTools(fields.Find("tools"));
        return IsOffered(fields.Find("tool_choice"), tools) ? tools : null;
    }

    private static JsonArray? ReadTools(JsonElement? value)
    {
        if (value is not { } list)
        {
            return null;
        }

        var tools = new JsonArray();
        foreach (JsonElement tool in JsonValues.Items(list, "tools", MaxTools))
        {
            string param = $"tools[{tools.Count}]";
            JsonObject tree = JsonValues.TreeObject(tool, param);
            var fields = new RequestFields(tool, param + ".");
            if (fields.RequireText("type") != "function")
            {
                throw ApiException.Invalid($"'{param}.type' must be \"function\".", $"{param}.type", "unsupported_value");
            }

            RequestFields function = fields.Object("function") ?? throw JsonValues.Wrong($"{param}.function", "an object");
            function.RequireText("name");
            tools.Add(tree);
        }

        return tools.Count > 0 ? tools : null;
    }

    private static bool IsOffered(JsonElement? choice, JsonArray? tools)
    {
        if (choice is not { } value)
        {
            return true;
        }

        string kind = value.ValueKind switch
        {
            JsonValueKind.String => JsonValues.Text(value, "tool_choice"),
            JsonValueKind.Object => "named",
            _ => throw JsonValues.Wrong("tool_choice", "a string or an object"),
        };
        if (kind != "none" && tools is null)
        {
            throw ApiException.Invalid("'tool_choice' is only allowed with 'tools'.", "tool_choice");
        }

        return kind switch
        {
            "none" => false,
            "auto" => true,
            _ => throw ApiException.Invalid(
                "'tool_choice' supports only \"none\" and \"auto\": a call cannot be forced.", "tool_choice", "unsupported_value"),
        };
    }
}
