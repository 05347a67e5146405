using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.Observability;

/// <summary><c>GET /grid</c>: silos, devices, queues and requests in flight. Asks for a key where keys are set: it names requests.</summary>
internal sealed class GridEndpoint(IGridClient grid)
{
    public async Task HandleAsync(HttpContext context)
    {
        GridStatus status = await grid.GetStatusAsync(context.RequestAborted);
        await context.Response.WriteJsonAsync(status, GatewayJson.Default.GridStatus);
    }
}
