using System.Text.Json;
using System.Text.Json.Nodes;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>The body of <c>POST /v1/chat/completions</c>.</summary>
/// <param name="Generation">What chat shares with completions.</param>
/// <param name="Messages">See <see cref="ChatMessages"/>.</param>
/// <param name="Tools">Tools that the template describes to the model, or null.</param>
/// <param name="Variables">Further variables of the template, or null.</param>
internal sealed record ChatRequest(GenerationFields Generation, JsonElement Messages, JsonArray? Tools, JsonObject? Variables)
{
    private const int MaxTopLogProbabilities = 20;

    /// <exception cref="ApiException">400, with the field at fault.</exception>
    public static ChatRequest Read(RequestFields fields)
    {
        fields.Ignore("parallel_tool_calls");
        RefuseResponseFormat(fields);
        return new ChatRequest(
            GenerationFields.Read(fields, defaultMaxTokens: null, ReadLogProbabilities(fields)),
            fields.Require("messages"),
            ChatTools.Read(fields),
            fields.Find("chat_template_kwargs") is { } variables ? JsonValues.TreeObject(variables, "chat_template_kwargs") : null);
    }

    private static int? ReadLogProbabilities(RequestFields fields)
    {
        bool wanted = fields.Flag("logprobs");
        int? top = fields.Integer("top_logprobs", 0, MaxTopLogProbabilities);
        if (top is not null && !wanted)
        {
            throw ApiException.Invalid("'top_logprobs' is only allowed with 'logprobs': true.", "top_logprobs");
        }

        return wanted ? top ?? 0 : null;
    }

    // An answer that ignores the format would break the caller later and elsewhere.
    private static void RefuseResponseFormat(RequestFields fields)
    {
        if (fields.Object("response_format")?.RequireText("type") is { } type && type != "text")
        {
            throw ApiException.Invalid("'response_format' supports only the type \"text\".", "response_format.type", "unsupported_value");
        }
    }
}
