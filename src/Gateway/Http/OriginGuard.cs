using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.Http;

/// <summary>
/// Refuses what web pages of others send, while no API key is set (<see cref="WebPages"/>). Probes of <c>/health</c> may use any name of
/// the server.
/// </summary>
internal sealed class OriginGuard(RequestDelegate next, IReadOnlySet<string> allowedHosts)
{
    public Task InvokeAsync(HttpContext context) =>
        WebPages.Refuse(context.Request, allowedHosts, anyHost: context.Request.Path == "/health") is { } sentence
            ? throw new ApiException(
                new ApiError(StatusCodes.Status403Forbidden, "permission_error", sentence + " With an API key set, the key alone decides.") { Code = "origin_not_allowed" })
            : next(context);
}
