namespace ServingGrid.Gateway.Http;

/// <summary>
/// Gives every request an id: the client's <c>X-Request-Id</c> when it is fit for a log line, else a new one. The answer carries
/// it back, and it is the prefix of the ids under which the grid runs the request.
/// </summary>
internal sealed class RequestIds(RequestDelegate next)
{
    public const string Header = "X-Request-Id";

    private const int MaxLength = 128;

    public Task InvokeAsync(HttpContext context)
    {
        string? given = context.Request.Headers[Header];
        context.TraceIdentifier = given is not null && IsAcceptable(given) ? given : $"req-{Guid.NewGuid():N}";
        context.Response.Headers[Header] = context.TraceIdentifier;
        return next(context);
    }

    // Whatever could break a log line, a header or a grain key is replaced by an id of our own, not refused.
    private static bool IsAcceptable(string id) =>
        id.Length is > 0 and <= MaxLength && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':');
}
