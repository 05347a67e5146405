using ServingGrid.Client;

namespace ServingGrid.Gateway.OpenAi.Responses;

/// <summary>A model as <c>/v1/models</c> lists it.</summary>
internal sealed record ModelResponse(string Id, string Object, long Created, string OwnedBy, int MaxModelLen)
{
    public static ModelResponse From(ModelCard card) =>
        new(card.Name, "model", card.Created.ToUnixTimeSeconds(), "servinggrid", card.ContextLength);
}

internal sealed record ModelListResponse(string Object, IReadOnlyList<ModelResponse> Data);

/// <summary>What <c>/health</c> says.</summary>
internal sealed record HealthResponse(string Status, IReadOnlyList<string> Models, string? Reason);
