using ServingGrid.Client;

namespace ServingGrid.Gateway.Errors;

/// <summary>An error as a REST client sees it: the status and the members of OpenAI's error object.</summary>
/// <param name="Status">HTTP status, when no answer has begun yet.</param>
/// <param name="Type">OpenAI's word for the class of error ("invalid_request_error").</param>
/// <param name="Message">One sentence for the person who reads the client's log.</param>
internal sealed record ApiError(int Status, string Type, string Message)
{
    /// <summary>The request's field that is wrong.</summary>
    public string? Param { get; init; }

    /// <summary>What a program can switch on ("model_not_found").</summary>
    public string? Code { get; init; }

    /// <summary>With 429 and 503: when another try may succeed.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The process was told to stop.</summary>
    public static ApiError Stopping => new(StatusCodes.Status503ServiceUnavailable, "unavailable_error", "The server is stopping.")
    {
        Code = "stopping",
    };

    public static ApiError Invalid(string message, string? param = null, string? code = null) =>
        new(StatusCodes.Status400BadRequest, "invalid_request_error", message) { Param = param, Code = code };
}

/// <summary>Ends the handling of a request with <see cref="Error"/>.</summary>
internal sealed class ApiException(ApiError error) : Exception(error.Message)
{
    public ApiError Error { get; } = error;

    /// <summary>A 400 that names the field at fault.</summary>
    public static ApiException Invalid(string message, string? param = null, string? code = null) =>
        new(ApiError.Invalid(message, param, code));

    /// <summary>A 400 for a prompt that leaves no room for an answer.</summary>
    public static ApiException TooLong(int tokens, ModelCard card, string param) => Invalid(
        $"The prompt has {tokens} tokens; {card.Name} has a context of {card.ContextLength}, and the answer needs at least one.",
        param,
        "context_length_exceeded");
}
