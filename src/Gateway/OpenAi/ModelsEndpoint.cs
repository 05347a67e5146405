using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.OpenAi;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>.</summary>
internal sealed class ModelsEndpoint(IGridClient grid)
{
    public async Task ListAsync(HttpContext context)
    {
        IReadOnlyList<ModelCard> cards = await grid.GetModelsAsync(context.RequestAborted);
        var list = new ModelListResponse("list", [.. cards.Select(ModelResponse.From)]);
        await context.Response.WriteJsonAsync(list, GatewayJson.Default.ModelListResponse);
    }

    public async Task GetAsync(HttpContext context)
    {
        var id = (string)context.Request.RouteValues["id"]!;
        IReadOnlyList<ModelCard> cards = await grid.GetModelsAsync(context.RequestAborted);
        ModelCard card = cards.FirstOrDefault(card => card.Name == id)
            ?? throw new GridException(GridError.ModelNotFound, $"The model '{id}' does not exist.");
        await context.Response.WriteJsonAsync(ModelResponse.From(card), GatewayJson.Default.ModelResponse);
    }
}
