using ServingGrid.Client.Observability;

namespace ServingGrid.Gateway.Observability;

/// <summary><c>GET /metrics</c>, in Prometheus' text format.</summary>
internal sealed class MetricsEndpoint(PrometheusExporter exporter)
{
    public async Task HandleAsync(HttpContext context)
    {
        context.Response.ContentType = PrometheusExporter.ContentType;
        await context.Response.WriteAsync(exporter.Render(), context.RequestAborted);
    }
}
