using System.Diagnostics.Metrics;

namespace ServingGrid.Gateway.Observability;

/// <summary>Counts what comes in over HTTP, by route and outcome.</summary>
internal sealed class HttpMetrics(RequestDelegate next)
{
    private static readonly Meter Meter = new("ServingGrid.Gateway");

    private static readonly Counter<long> Requests =
        Meter.CreateCounter<long>("servinggrid_http_requests_total", description: "HTTP requests answered, by route and status.");

    private static readonly UpDownCounter<long> InFlight =
        Meter.CreateUpDownCounter<long>("servinggrid_http_requests_in_flight", description: "HTTP requests being answered.");

    public async Task InvokeAsync(HttpContext context)
    {
        InFlight.Add(1);
        try
        {
            await next(context);
        }
        finally
        {
            InFlight.Add(-1);

            // The route, not the path: paths come from outside and have no end. 499 is the customary status of a client that left.
            string route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "other";
            int status = context.RequestAborted.IsCancellationRequested ? StatusCodes.Status499ClientClosedRequest : context.Response.StatusCode;
            Requests.Add(1, new("route", route), new("status", status));
        }
    }
}
