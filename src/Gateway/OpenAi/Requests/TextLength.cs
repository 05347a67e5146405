using System.Runtime.InteropServices;
using System.Text.Json;
using ServingGrid.Client;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>
/// Adds up the texts of a prompt before they become strings: what is longer than any prompt of the model is refused by its length. For one
/// request.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="param">The field that is blamed.</param>
internal sealed class TextLength(ModelText model, string param)
{
    // "\u0041" is one byte of text.
    private const int LongestEscape = 6;

    private readonly long _most = model.MostPromptBytes ?? long.MaxValue;
    private long _bytes;

    /// <summary>The value as a text of the prompt.</summary>
    /// <exception cref="GridException"><see cref="GridError.InvalidRequest"/>: too much text in all.</exception>
    public string Text(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(value)[1..^1];
            _bytes += raw.Contains((byte)'\\') ? raw.Length / LongestEscape : raw.Length;
            if (_bytes > _most)
            {
                throw model.TooLong(param);
            }
        }

        return JsonValues.Text(value, path);
    }
}
