using ServingGrid.Client;

namespace ServingGrid.Gateway.Errors;

/// <summary>The one place where a failure becomes an OpenAI error.</summary>
internal static class ErrorMapping
{
    private static readonly TimeSpan DefaultRetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>The error that a client is shown. Details of a defect stay in the log, where the request's id finds them.</summary>
    public static ApiError ToApiError(Exception failure, string requestId) => failure switch
    {
        ApiException api => api.Error,
        GridException { Error: not GridError.Internal } grid => FromGrid(grid),
        BadHttpRequestException http => FromHttp(http),
        _ => new ApiError(StatusCodes.Status500InternalServerError, "server_error", $"The server met an internal error (request {requestId})."),
    };

    /// <summary>The error of a route or a method that does not exist; null for any other status.</summary>
    public static ApiError? ForStatus(int status, HttpRequest request) => status switch
    {
        StatusCodes.Status404NotFound => new ApiError(status, "not_found_error", $"There is no {request.Method} {request.Path}.")
        {
            Code = "unknown_url",
        },
        StatusCodes.Status405MethodNotAllowed => new ApiError(
            status, "invalid_request_error", $"{request.Path} does not allow {request.Method}.")
        {
            Code = "method_not_allowed",
        },
        _ => null,
    };

    private static ApiError FromGrid(GridException failure) => failure.Error switch
    {
        GridError.InvalidRequest => ApiError.Invalid(failure.Message, failure.Parameter, failure.Code),
        GridError.ModelNotFound => new ApiError(StatusCodes.Status404NotFound, "not_found_error", failure.Message)
        {
            Param = "model",
            Code = "model_not_found",
        },
        GridError.Overloaded => new ApiError(StatusCodes.Status429TooManyRequests, "rate_limit_error", failure.Message)
        {
            Code = "overloaded",
            RetryAfter = failure.RetryAfter ?? DefaultRetryAfter,
        },
        GridError.RequestFailed => new ApiError(StatusCodes.Status500InternalServerError, "server_error", failure.Message) { Code = "request_failed" },
        GridError.Unavailable or GridError.NumericsGone => Unavailable(failure, "unavailable"),
        GridError.Timeout => Unavailable(failure, "deadline_exceeded"),
        GridError.ModelChanged => Unavailable(failure, "model_changed") with { RetryAfter = DefaultRetryAfter },
        _ => throw new ArgumentOutOfRangeException(nameof(failure), failure.Error, "an error without a status"),
    };

    private static ApiError Unavailable(GridException failure, string code) =>
        new(StatusCodes.Status503ServiceUnavailable, "unavailable_error", failure.Message)
        {
            Code = code,
            RetryAfter = failure.RetryAfter,
        };

    private static ApiError FromHttp(BadHttpRequestException failure) => failure.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => new ApiError(failure.StatusCode, "invalid_request_error", "The request's body is too large.")
        {
            Code = "request_too_large",
        },
        _ => new ApiError(failure.StatusCode, "invalid_request_error", failure.Message),
    };
}
