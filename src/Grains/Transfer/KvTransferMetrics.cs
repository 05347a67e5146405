using System.Diagnostics.Metrics;
using ServingGrid.Grains.Diagnostics;

namespace ServingGrid.Grains.Transfer;

/// <summary>Instruments of KV transfer, for which vLLM's dashboards have no names.</summary>
internal static class KvTransferMetrics
{
    public static readonly Counter<long> SentBytes = GridMetrics.Meter.CreateCounter<long>(
        "servinggrid_kv_transfer_bytes_total", "By", "KV bytes acknowledged by their receivers.");

    public static readonly Counter<long> Resends = GridMetrics.Meter.CreateCounter<long>(
        "servinggrid_kv_transfer_resends_total", description: "Frames sent again because they arrived corrupt.");

    public static readonly Counter<long> Failures = GridMetrics.Meter.CreateCounter<long>(
        "servinggrid_kv_transfer_failures_total", description: "Transfers that did not finish, by reason.");

    public static readonly Counter<long> ReceivedFrames = GridMetrics.Meter.CreateCounter<long>(
        "servinggrid_kv_transfer_received_frames_total", description: "Frames that arrived, by outcome.");

    public static readonly Counter<long> RefusedPeers = GridMetrics.Meter.CreateCounter<long>(
        "servinggrid_kv_transfer_refused_peers_total", description: "Connections refused or cut off, by reason.");

    public static readonly Histogram<double> Seconds = GridMetrics.Meter.CreateHistogram(
        "servinggrid_kv_transfer_seconds",
        "s",
        "Time from the first gathered block of a run to its last acknowledgement.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10] });

    public static KeyValuePair<string, object?> Reason(Enum reason) => new("reason", reason.ToString());
}
