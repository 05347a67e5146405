using System.Diagnostics.Metrics;

namespace ServingGrid.Grains.Diagnostics;

/// <summary>Instruments of what the grid does beyond a single engine. Names follow docs and dashboards: see <see cref="EngineMetrics"/>.</summary>
internal static class GridMetrics
{
    public static readonly Meter Meter = new("ServingGrid");

    public static readonly Counter<long> RouterFallbacks = Meter.CreateCounter<long>(
        "servinggrid_router_fallbacks_total", description: "Placements made without the KV-aware policy because the grid view was too old.");

    public static readonly Histogram<double> RouterDecisionSeconds = Meter.CreateHistogram(
        "servinggrid_router_decision_seconds",
        "s",
        "Time to choose a device.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [.00001, .00002, .00005, .0001, .0002, .0005, .001, .002, .005, .01] });

    public static readonly Counter<long> PlacementFallbacks = Meter.CreateCounter<long>(
        "servinggrid_placement_fallbacks_total", description: "Grains placed on any silo because no device was known.");

    public static readonly Counter<long> ReportFailures = Meter.CreateCounter<long>(
        "servinggrid_report_failures_total", description: "Status exchanges with the grid's state that failed.");

    public static readonly Counter<long> OrphanedRequests = Meter.CreateCounter<long>(
        "servinggrid_orphaned_requests_total", description: "Requests stopped because their client was gone.");

    public static readonly Counter<long> PrefillDecisions = Meter.CreateCounter<long>(
        "servinggrid_prefill_decisions_total", description: "Where prompts were computed, and why.");

    public static readonly Counter<long> PrefillFailures = Meter.CreateCounter<long>(
        "servinggrid_prefill_failures_total", description: "Remote prefills that failed, by device.");

    public static readonly Counter<long> BreakerOpened = Meter.CreateCounter<long>(
        "servinggrid_prefill_breaker_opened_total", description: "Times that a prefill device was taken out of the choice, by device.");

    public static readonly Counter<long> DeviceLosses = Meter.CreateCounter<long>(
        "servinggrid_device_losses_total", description: "Times that this process's device was lost: engines that failed for good.");

    public static readonly Counter<long> DeviceReopenings = Meter.CreateCounter<long>(
        "servinggrid_device_reopenings_total", description: "Times that a lost device was opened anew.");

    public static readonly UpDownCounter<long> ActiveRequests = Meter.CreateUpDownCounter<long>(
        "servinggrid_active_requests", description: "Request grains at work on this silo.");
}
