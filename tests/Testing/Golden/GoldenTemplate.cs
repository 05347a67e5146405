using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace ServingGrid.Testing;

/// <summary>A chat template and what it must render (<c>templates/NAME.jinja</c>, <c>templates/NAME.json</c>).</summary>
/// <param name="Name">File name without extension.</param>
/// <param name="Source">The template.</param>
/// <param name="Expected">By name of the chat in <see cref="GoldenChats"/>.</param>
public sealed record GoldenTemplate(string Name, string Source, IReadOnlyDictionary<string, GoldenRendering> Expected);

/// <summary>Exactly one of the two is set: the text, or the message of the error that rendering must end with.</summary>
public sealed record GoldenRendering
{
    [JsonPropertyName("text")]
    public string? Text { get; init; }

    [JsonPropertyName("error")]
    public string? Error { get; init; }
}

/// <summary>The chats that every template is rendered with (<c>templates/chats.json</c>).</summary>
public sealed record GoldenChats
{
    /// <summary>By name: objects with <c>messages</c>, <c>tools</c>, <c>add_generation_prompt</c> (true unless said) and further variables.</summary>
    [JsonPropertyName("chats")]
    public required IReadOnlyDictionary<string, JsonObject> Chats { get; init; }

    /// <summary><c>bos_token</c> and <c>eos_token</c>.</summary>
    [JsonPropertyName("strings")]
    public required IReadOnlyDictionary<string, string> Strings { get; init; }

    /// <summary>What <c>strftime_now</c> takes as now.</summary>
    [JsonPropertyName("strftime_now")]
    public required DateTime Now { get; init; }
}
