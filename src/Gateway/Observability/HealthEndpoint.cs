using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.Observability;

/// <summary><c>GET /health</c>: 200 while the grid serves a model, 503 otherwise. For load balancers and probes.</summary>
internal sealed class HealthEndpoint(IGridClient grid, TimeProvider time)
{
    // Probes give up after a second or a few: an answer that comes later is no answer.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    public async Task HandleAsync(HttpContext context)
    {
        string[] models = await FindModelsAsync(context.RequestAborted);
        context.Response.StatusCode = models.Length > 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        var health = new HealthResponse(models.Length > 0 ? "ok" : "unavailable", models);
        await context.Response.WriteJsonAsync(health, GatewayJson.Default.HealthResponse);
    }

    private async Task<string[]> FindModelsAsync(CancellationToken aborted)
    {
        try
        {
            IReadOnlyList<ModelCard> cards = await grid.GetModelsAsync(aborted).WaitAsync(Deadline, time, aborted);
            return [.. cards.Select(card => card.Name)];
        }
        catch (Exception failure) when (failure is GridException or TimeoutException)
        {
            return [];
        }
    }
}
