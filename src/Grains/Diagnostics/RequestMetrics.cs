using System.Diagnostics.Metrics;
using ServingGrid.Engine;

namespace ServingGrid.Grains.Diagnostics;

/// <summary>
/// Latency and size of finished requests, under the names that vLLM's dashboards chart. Measured where the tokens are made: an
/// answer that went on after the loss of a silo counts there with its last attempt.
/// </summary>
internal sealed class RequestMetrics(string model, TimeProvider time)
{
    private static readonly double[] Seconds = [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];
    private static readonly double[] Gaps = [.001, .0025, .005, .0075, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5];
    private static readonly double[] Tokens = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];

    private static readonly Histogram<double> FirstToken = New("vllm:time_to_first_token_seconds", "Arrival to first token.", Seconds);
    private static readonly Histogram<double> InterToken = New("vllm:inter_token_latency_seconds", "Gap between two tokens of a stream.", Gaps);
    private static readonly Histogram<double> EndToEnd = New("vllm:e2e_request_latency_seconds", "Arrival to end.", Seconds);
    private static readonly Histogram<double> Queue = New("vllm:request_queue_time_seconds", "Arrival to first blocks.", Seconds);
    private static readonly Histogram<double> Prefill = New("vllm:request_prefill_time_seconds", "First blocks to first token.", Seconds);
    private static readonly Histogram<double> Decode = New("vllm:request_decode_time_seconds", "First token to end.", Seconds);
    private static readonly Histogram<double> Inference = New("vllm:request_inference_time_seconds", "First blocks to end.", Seconds);
    private static readonly Histogram<double> PromptTokens = New("vllm:request_prompt_tokens", "Prompt tokens of a request.", Tokens);
    private static readonly Histogram<double> GenerationTokens = New("vllm:request_generation_tokens", "Generated tokens of a request.", Tokens);
    private static readonly Counter<long> Finished =
        GridMetrics.Meter.CreateCounter<long>("vllm:request_success_total", description: "Finished requests by reason.");

    private readonly KeyValuePair<string, object?> _model = new("model_name", model);

    /// <summary>A token has come <paramref name="gap"/> after the one before.</summary>
    public void Gap(TimeSpan gap) => InterToken.Record(gap.TotalSeconds, _model);

    public void End(SequenceEnd end)
    {
        SequenceTimeline line = end.Timeline;
        Finished.Add(1, _model, new("finished_reason", end.Cause switch
        {
            FinishCause.Stop => "stop",
            FinishCause.Length => "length",
            _ => "abort",
        }));
        Record(FirstToken, line.Arrived, line.FirstToken);
        Record(EndToEnd, line.Arrived, line.Ended);
        Record(Queue, line.Arrived, line.Admitted);
        Record(Prefill, line.Admitted, line.FirstToken);
        Record(Decode, line.FirstToken, line.Ended);
        Record(Inference, line.Admitted, line.Ended);
        PromptTokens.Record(end.Usage.PromptTokens, _model);
        GenerationTokens.Record(end.Usage.CompletionTokens, _model);
    }

    private void Record(Histogram<double> histogram, long from, long to)
    {
        // 0: the request never came to that stage.
        if (from != 0 && to != 0)
        {
            histogram.Record(time.GetElapsedTime(from, to).TotalSeconds, _model);
        }
    }

    private static Histogram<double> New(string name, string description, double[] buckets) =>
        GridMetrics.Meter.CreateHistogram(name, description: description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = buckets });
}
