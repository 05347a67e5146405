using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace ServingGrid.Gateway.Http;

/// <summary>Writes JSON straight into a response's pipe.</summary>
internal static class JsonResponses
{
    /// <summary>Non-ASCII text stays readable and short; the content type already keeps browsers from taking it for HTML.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static async Task WriteJsonAsync<T>(this HttpResponse response, T value, JsonTypeInfo<T> type)
    {
        response.ContentType = "application/json; charset=utf-8";
        await using (var json = new Utf8JsonWriter(response.BodyWriter, WriterOptions))
        {
            JsonSerializer.Serialize(json, value, type);
        }

        await response.HttpContext.RequestServices.GetRequiredService<ReaderWatch>().FlushAsync(
            response.HttpContext, response.HttpContext.RequestAborted);
    }
}
