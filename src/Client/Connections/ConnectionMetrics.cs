using System.Diagnostics.Metrics;

namespace ServingGrid.Client.Connections;

/// <summary>What is measured at the doors of all ports.</summary>
internal static class ConnectionMetrics
{
    private static readonly Meter Meter = new(ClientMetrics.MeterName);

    public static readonly UpDownCounter<long> Open =
        Meter.CreateUpDownCounter<long>("servinggrid_connections", description: "Connections that are open, by port.");

    public static readonly Counter<long> Ended = Meter.CreateCounter<long>(
        "servinggrid_connections_ended_total",
        description: "Connections ended by this side, by port and reason: refused, made_room, silent, secret, broken.");
}
