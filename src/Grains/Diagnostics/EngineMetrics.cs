using System.Diagnostics.Metrics;
using ServingGrid.Engine;

namespace ServingGrid.Grains.Diagnostics;

/// <summary>
/// The state of a device's engine as observable instruments, under the names that vLLM's dashboards chart. Disposing it ends the series;
/// counters begin anew
/// with an engine whose device was opened anew, as after a start of the process.
/// </summary>
internal sealed class EngineMetrics : IDisposable
{
    private readonly Meter _meter = new("ServingGrid");

    public EngineMetrics(Func<EngineStatus> status, string model, string deviceId)
    {
        KeyValuePair<string, object?>[] labels = [new("model_name", model), new("engine", deviceId)];
        Gauge("vllm:num_requests_running", status => status.Running, "Sequences that are computed now.");
        Gauge("vllm:num_requests_waiting", status => status.Waiting, "Accepted sequences that hold no blocks.");
        Gauge("vllm:kv_cache_usage_perc", status => status.TotalBlocks == 0 ? 0 : 1 - ((double)status.FreeBlocks / status.TotalBlocks), "Share of the KV blocks that sequences hold (0 … 1).");
        Gauge("servinggrid_cached_blocks", status => status.CachedBlocks, "KV blocks that the prefix cache can find.");
        Gauge("servinggrid_engine_up", status => status.Health == EngineHealth.Serving ? 1 : 0, "1 while the engine takes requests.");
        Gauge(
            "servinggrid_engine_last_recovery_seconds",
            status => status.LastRecoverySeconds,
            "How long the engine's last recovery took; 0 before the first.");
        Counter("vllm:prefix_cache_queries_total", status => status.CachedPromptTokens + status.ComputedPromptTokens, "Prompt tokens looked up in the prefix cache.");
        Counter("vllm:prefix_cache_hits_total", status => status.CachedPromptTokens, "Prompt tokens found there.");
        Counter("vllm:num_preemptions_total", status => status.Preemptions, "Sequences that lost their blocks and were computed again.");
        Counter("vllm:prompt_tokens_total", status => status.ComputedPromptTokens, "Prompt tokens computed.");
        Counter("vllm:generation_tokens_total", status => status.GeneratedTokens, "Tokens generated.");
        Counter("servinggrid_steps_total", status => status.Steps, "Steps of the engine.");
        Counter("servinggrid_failed_steps_total", status => status.FailedSteps, "Steps that failed as a whole.");
        Counter("servinggrid_transient_step_failures_total", status => status.TransientFailures, "Of those, failures whose sequences all went on.");
        Counter("servinggrid_blamed_sequences_total", status => status.BlamedSequences, "Sequences that ended by their own fault.");
        Counter("servinggrid_engine_recoveries_total", status => status.Recoveries, "How often the engine has failed and served again.");

        void Gauge(string name, Func<EngineStatus, double> value, string description) =>
            _meter.CreateObservableGauge(name, () => new Measurement<double>(value(status()), labels), description: description);

        void Counter(string name, Func<EngineStatus, long> value, string description) =>
            _meter.CreateObservableCounter(name, () => new Measurement<long>(value(status()), labels), description: description);
    }

    public void Dispose() => _meter.Dispose();
}
