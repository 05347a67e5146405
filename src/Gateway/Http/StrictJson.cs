using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Unicode;

namespace ServingGrid.Gateway.Http;

/// <summary>
/// JSON without what readers disagree about: no duplicate fields, no invalid UTF-8, no escapes that are half a character. Every
/// string and name of a parsed element can be read without a further check.
/// </summary>
internal static class StrictJson
{
    private const int MaxDepth = 64;

    // Two values for one field: which of them counts would be a guess, and a filter in front of us may have guessed otherwise.
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };

    /// <param name="json">The whole text, as UTF-8.</param>
    /// <param name="root">Its value, which keeps no reference to <paramref name="json"/>.</param>
    /// <param name="fault">What is wrong, as the end of the sentence "The text …".</param>
    public static bool TryParse(ReadOnlySpan<byte> json, out JsonElement root, [NotNullWhen(false)] out string? fault)
    {
        root = default;
        if (!Utf8.IsValid(json))
        {
            fault = "is not valid UTF-8.";
            return false;
        }

        try
        {
            CheckStrings(json);
            root = JsonElement.Parse(json, Options);
            fault = null;
            return true;
        }
        catch (JsonException failure)
        {
            fault = $"is not valid JSON: {failure.Message}";
            return false;
        }
        catch (InvalidOperationException)
        {
            fault = "has a string with an escape that is not valid Unicode.";
            return false;
        }
    }

    // The parser itself looks into a string only when it is read, and then throws what looks like misuse.
    private static void CheckStrings(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        while (reader.Read())
        {
            if (reader.ValueIsEscaped)
            {
                reader.GetString();
            }
        }
    }
}
