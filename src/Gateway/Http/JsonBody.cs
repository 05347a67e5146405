using System.Text.Json;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.Http;

/// <summary>Reads a request's body as one JSON object. Its size is bounded by the server's limit.</summary>
internal static class JsonBody
{
    /// <exception cref="ApiException">400: no JSON object (see <see cref="StrictJson"/>).</exception>
    /// <exception cref="BadHttpRequestException">413: larger than the server's limit.</exception>
    public static async Task<JsonElement> ReadAsync(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, request.HttpContext.RequestAborted);
        if (body.Length == 0)
        {
            throw ApiException.Invalid("The request has no body: a JSON object is expected.");
        }

        if (!StrictJson.TryParse(body.GetBuffer().AsSpan(0, (int)body.Length), out JsonElement root, out string? fault))
        {
            throw ApiException.Invalid($"The request's body {fault}");
        }

        return root.ValueKind == JsonValueKind.Object
            ? root
            : throw ApiException.Invalid("The request's body must be a JSON object.");
    }
}
