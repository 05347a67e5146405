using System.Text.Json.Nodes;

namespace ServingGrid.Model.Templates;

/// <summary>
/// What a chat template is rendered with. Messages and tools stay JSON, because templates look into fields that no fixed
/// type foresees (tool calls, content parts, reasoning).
/// </summary>
public sealed record ChatTemplateInput
{
    /// <summary>Objects with at least <c>role</c> and <c>content</c>, in order.</summary>
    public required JsonArray Messages { get; init; }

    /// <summary>Tool definitions in OpenAI's shape, or null: the variable <c>tools</c> is then undefined.</summary>
    public JsonArray? Tools { get; init; }

    /// <summary>End with the header of the assistant's turn.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>Further variables of the template ("enable_thinking", …).</summary>
    public JsonObject? Variables { get; init; }

    /// <summary>Text of the beginning-of-sequence token; empty if the model has none.</summary>
    public string BosToken { get; init; } = "";

    /// <summary>Text of the end-of-sequence token; empty if the model has none.</summary>
    public string EosToken { get; init; } = "";

    /// <summary>What <c>strftime_now</c> formats (local time of the caller's choosing).</summary>
    public DateTimeOffset Now { get; init; }
}
