using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.Observability;

/// <summary>
/// <c>GET /health</c>: 200 while a device of the grid takes requests, 503 and the reason otherwise. For load balancers and probes.
/// Thread-safe.
/// </summary>
/// <remarks>
/// When a silo dies, the one that was asked may be it, and for a second or two nobody answers, while requests go on at the others. A
/// gateway that works must not be taken out of service for that: what the grid said last counts for some seconds.
/// </remarks>
internal sealed class HealthEndpoint(IGridClient grid, TimeProvider time)
{
    // Probes give up after a second or a few: an answer that comes later is no answer.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    // Longer than it takes to notice a death; and how long to wait for news while the last answer counts.
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Impatience = TimeSpan.FromSeconds(0.5);

    private volatile Answer? _served;

    public async Task HandleAsync(HttpContext context)
    {
        GridHealth health = await ReadAsync(context.RequestAborted);
        bool serves = health.Models.Count > 0;
        context.Response.StatusCode = serves ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        await context.Response.WriteJsonAsync(new HealthResponse(serves ? "ok" : "unavailable", health.Models, health.Reason), GatewayJson.Default.HealthResponse);
    }

    private async Task<GridHealth> ReadAsync(CancellationToken aborted)
    {
        Answer? served = _served is { } last && time.GetElapsedTime(last.At) < Remembered ? last : null;
        try
        {
            GridHealth health = await grid.GetHealthAsync(aborted).WaitAsync(served is null ? Deadline : Impatience, time, aborted);
            _served = health.Models.Count > 0 ? new Answer(health, time.GetTimestamp()) : null;
            return health;
        }
        catch (Exception failure) when (failure is GridException or TimeoutException)
        {
            return served?.Health ?? new GridHealth { Models = [], Reason = failure is TimeoutException ? "The grid does not answer." : failure.Message };
        }
    }

    private sealed record Answer(GridHealth Health, long At);
}
