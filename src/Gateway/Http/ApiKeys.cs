using System.Security.Cryptography;
using System.Text;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.Http;

/// <summary>
/// Asks for <c>Authorization: Bearer KEY</c> on <c>/v1/*</c> and <c>/grid</c>. Health and metrics stay open, since probes carry no keys. Keys are
/// compared by digest in constant time, so that neither their content nor their length can be measured.
/// </summary>
internal sealed class ApiKeys(RequestDelegate next, IReadOnlyList<string> keys)
{
    private const string Scheme = "Bearer ";

    private readonly byte[][] _digests = [.. keys.Select(Digest)];

    public Task InvokeAsync(HttpContext context)
    {
        if (!context.Request.Path.StartsWithSegments("/v1") && !context.Request.Path.StartsWithSegments("/grid"))
        {
            return next(context);
        }

        string? header = context.Request.Headers.Authorization;
        if (header is null || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw Refused("No API key was given: send it as \"Authorization: Bearer KEY\".");
        }

        if (!IsKnown(Digest(header[Scheme.Length..].Trim())))
        {
            throw Refused("The API key is not valid.");
        }

        return next(context);
    }

    private bool IsKnown(byte[] digest)
    {
        bool known = false;
        foreach (byte[] candidate in _digests)
        {
            known |= CryptographicOperations.FixedTimeEquals(candidate, digest);
        }

        return known;
    }

    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private static ApiException Refused(string message) =>
        new(new ApiError(StatusCodes.Status401Unauthorized, "authentication_error", message) { Code = "invalid_api_key" });
}
