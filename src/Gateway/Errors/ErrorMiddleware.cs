using System.Globalization;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.Errors;

/// <summary>
/// Turns whatever a handler throws into OpenAI's error JSON, as long as the answer has not begun. A client that went away is no
/// error. Outermost but for the request id.
/// </summary>
internal sealed partial class ErrorMiddleware(RequestDelegate next, ILogger<ErrorMiddleware> log)
{
    public async Task InvokeAsync(HttpContext context)
    {
        ApiError? error;
        try
        {
            await next(context);
            error = ErrorMapping.ForStatus(context.Response.StatusCode, context.Request);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            Disconnected(log, context.Request.Path, context.TraceIdentifier);
            return;
        }
        catch (Exception failure) when (!context.Response.HasStarted)
        {
            error = ErrorMapping.ToApiError(failure, context.TraceIdentifier);
            if (error.Status == StatusCodes.Status500InternalServerError)
            {
                Failed(log, failure, context.Request.Path, context.TraceIdentifier);
            }
            else if (error.Status > StatusCodes.Status500InternalServerError)
            {
                // No silo, a silo that drains, a deadline: what an operator has to know, and no defect whose place a trace would show.
                Unavailable(log, context.Request.Path, error.Status, error.Message, context.TraceIdentifier);
            }
        }

        if (error is not null && !context.Response.HasStarted)
        {
            await WriteAsync(context.Response, error);
        }
    }

    /// <summary>Answers with <paramref name="error"/>; nothing may have been written before.</summary>
    public static async Task WriteAsync(HttpResponse response, ApiError error)
    {
        response.StatusCode = error.Status;
        if (error.RetryAfter is { } wait)
        {
            double seconds = Math.Max(1, Math.Ceiling(wait.TotalSeconds));
            response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        if (error.Status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        await response.WriteJsonAsync(ErrorResponse.From(error), GatewayJson.Default.ErrorResponse);
    }

    [LoggerMessage(LogLevel.Error, "{Path} failed (request {RequestId}).")]
    private static partial void Failed(ILogger log, Exception failure, string path, string requestId);

    [LoggerMessage(LogLevel.Warning, "{Path} was answered with {Status}: {Reason} (request {RequestId})")]
    private static partial void Unavailable(ILogger log, string path, int status, string reason, string requestId);

    [LoggerMessage(LogLevel.Debug, "The client of {Path} went away (request {RequestId}).")]
    private static partial void Disconnected(ILogger log, string path, string requestId);
}
