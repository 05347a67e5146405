using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.Observability;

/// <summary><c>GET /health</c>: 200 while the grid serves a model, 503 and the reason otherwise. For load balancers and probes.</summary>
internal sealed class HealthEndpoint(IGridClient grid, TimeProvider time)
{
    // Probes give up after a second or a few: an answer that comes later is no answer.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    public async Task HandleAsync(HttpContext context)
    {
        (string[] models, string? reason) = await FindModelsAsync(context.RequestAborted);
        context.Response.StatusCode = models.Length > 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        var health = new HealthResponse(models.Length > 0 ? "ok" : "unavailable", models, reason);
        await context.Response.WriteJsonAsync(health, GatewayJson.Default.HealthResponse);
    }

    private async Task<(string[] Models, string? Reason)> FindModelsAsync(CancellationToken aborted)
    {
        try
        {
            IReadOnlyList<ModelCard> cards = await grid.GetModelsAsync(aborted).WaitAsync(Deadline, time, aborted);
            return cards.Count > 0 ? ([.. cards.Select(card => card.Name)], null) : ([], "The grid serves no model.");
        }
        catch (Exception failure) when (failure is GridException or TimeoutException)
        {
            return ([], failure is TimeoutException ? "The grid does not answer." : failure.Message);
        }
    }
}
