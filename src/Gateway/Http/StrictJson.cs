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

    // Each takes twelve bytes of an index, and while that grows, some times as much: two million are more than any prompt's tokens.
    private const int MaxValues = 1 << 21;

    // Longer names are of no field of ours, and are not said again.
    private const int LongestField = 64;

    // Two values for one field: which of them counts would be a guess, and a filter in front of us may have guessed otherwise.
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };

    /// <param name="json">The whole text, as UTF-8.</param>
    /// <param name="root">Its value, which keeps no reference to <paramref name="json"/>.</param>
    /// <param name="fault">What is wrong, as the end of the sentence "The text …".</param>
    public static bool TryParse(ReadOnlySpan<byte> json, out JsonElement root, [NotNullWhen(false)] out string? fault) =>
        TryParse(json, out root, out fault, out _);

    /// <param name="json">The whole text, as UTF-8.</param>
    /// <param name="root">Its value, which keeps no reference to <paramref name="json"/>.</param>
    /// <param name="fault">What is wrong, as the end of the sentence "The text …".</param>
    /// <param name="field">With a fault, the field of the outermost object that it is in, if that is to blame.</param>
    public static bool TryParse(ReadOnlySpan<byte> json, out JsonElement root, [NotNullWhen(false)] out string? fault, out string? field)
    {
        root = default;
        field = null;
        if (!Utf8.IsValid(json))
        {
            fault = "is not valid UTF-8.";
            return false;
        }

        try
        {
            if (!HasFewValues(json, ref field))
            {
                fault = $"has more than {MaxValues} values.";
                return false;
            }

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

    // Reads strings too: the parser itself looks into one only when it is asked for, and then throws what looks like misuse.
    private static bool HasFewValues(ReadOnlySpan<byte> json, ref string? field)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        string? outermost = null;
        for (int values = 0; reader.Read(); values++)
        {
            if (reader is { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 })
            {
                outermost = reader.GetString();
            }
            else if (reader.ValueIsEscaped)
            {
                reader.GetString();
            }

            if (values == MaxValues)
            {
                field = outermost is { Length: <= LongestField } ? outermost : null;
                return false;
            }
        }

        return true;
    }
}
