using System.Text.Json.Serialization;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.OpenAi.Responses;

/// <summary>OpenAI's error object; its four members are always there.</summary>
internal sealed record ErrorBody(
    string Message,
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Param,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Code);

/// <inheritdoc cref="ErrorBody"/>
internal sealed record ErrorResponse(ErrorBody Error)
{
    public static ErrorResponse From(ApiError error) => new(new ErrorBody(error.Message, error.Type, error.Param, error.Code));
}
