using System.Diagnostics.Metrics;

namespace ServingGrid.Client;

/// <summary>Instruments of the client's side, under the meter that all of ServingGrid shares.</summary>
internal static class ClientMetrics
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "ServingGrid";

    private static readonly Meter Meter = new(MeterName);

    public static readonly Counter<long> RequestRetries =
        Meter.CreateCounter<long>("servinggrid_request_retries_total", description: "Attempts started because the one before was lost, or has shown nothing yet.");

    public static readonly Counter<long> NumericsChanges = Meter.CreateCounter<long>(
        "servinggrid_numerics_changes_total",
        description: "Answers that went on in another numerics class: no device of their own was left.");
}
