using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.Observability;

/// <summary>
/// <c>GET /health</c>: 200 while a device of the grid takes requests, 503 and the reason otherwise. For load balancers and probes.
/// </summary>
internal sealed class HealthEndpoint(IGridClient grid, TimeProvider time)
{
    // Probes give up after a second or a few: an answer that comes later is no answer.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    public async Task HandleAsync(HttpContext context)
    {
        GridHealth health = await ReadAsync(context.RequestAborted);
        bool serves = health.Models.Count > 0;
        context.Response.StatusCode = serves ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        await context.Response.WriteJsonAsync(new HealthResponse(serves ? "ok" : "unavailable", health.Models, health.Reason), GatewayJson.Default.HealthResponse);
    }

    private async Task<GridHealth> ReadAsync(CancellationToken aborted)
    {
        try
        {
            return await grid.GetHealthAsync(aborted).WaitAsync(Deadline, time, aborted);
        }
        catch (Exception failure) when (failure is GridException or TimeoutException)
        {
            return new GridHealth { Models = [], Reason = failure is TimeoutException ? "The grid does not answer." : failure.Message };
        }
    }
}
