using System.Diagnostics;
using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Http;

/// <summary>
/// Streams that run while prompts arrive: what prefill does to those who are reading. Gaps are told apart by whether they ended
/// before the first prompt was sent (quiet) or after (busy). Streams that do not show each token are left out, and counted.
/// </summary>
/// <remarks>
/// Streams end one after another, as those of people who know nothing of each other: the first of each is cut short by another share of its length. Were they to
/// begin together, all contexts would be short and then all long, and the 99th percentile would be the longest contexts' and not what prompts do.
/// </remarks>
internal sealed class RunningStreamsTest(HttpOptions options)
    : HttpTest($"{options.Streams} streams; {options.Prompt} tokens every {options.Every} s")
{
    private const int StreamTokens = 1024;
    private const int PromptOutput = 4;

    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(4);

    public override async Task RunAsync(ServerUnderTest server, Findings findings)
    {
        using var stop = new CancellationTokenSource();
        int[][] prompts = [.. Enumerable.Range(0, Math.Max(1, (int)(options.Seconds / options.Every))).Select(_ => server.Prompts.Make(options.Prompt))];
        Task<List<StreamTrace>>[] streams = [.. Enumerable.Range(0, options.Streams).Select(i => WatchAsync(i, server, server.Prompts.Fork(), stop.Token))];
        await Task.Delay(Settling);
        long quiet = Stopwatch.GetTimestamp();
        await Task.Delay(Quiet);
        long busy = Stopwatch.GetTimestamp();
        var arrivals = new List<Task<StreamTrace>>();
        for (int i = 0; i < prompts.Length; i++)
        {
            TimeSpan wait = TimeSpan.FromSeconds(i * options.Every) - Stopwatch.GetElapsedTime(busy);
            await Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
            arrivals.Add(server.CompleteAsync(prompts[i], PromptOutput));
        }

        StreamTrace[] arrived = await Task.WhenAll(arrivals);
        long end = Stopwatch.GetTimestamp();
        await stop.CancelAsync();
        StreamTrace[] ran = [.. (await Task.WhenAll(streams)).SelectMany(traces => traces)];
        StreamTrace[] shown = [.. ran.Where(trace => trace.ShowsEachToken)];
        findings.Add("streams left out", ran.Length - shown.Length);
        findings.AddLatencies("quiet ITL", [.. shown.SelectMany(trace => StreamTrace.GapsOf(trace.Chunks, quiet, busy))]);
        findings.AddLatencies("busy ITL", [.. shown.SelectMany(trace => StreamTrace.GapsOf(trace.Chunks, busy, end))]);
        findings.AddLatencies("prompt TTFT", [.. arrived.Select(trace => trace.FirstTokenMilliseconds)]);
    }

    /// <summary>One stream after another; after <paramref name="stop"/> the last one comes to its end.</summary>
    private async Task<List<StreamTrace>> WatchAsync(int index, ServerUnderTest server, PromptMaker prompts, CancellationToken stop)
    {
        var streams = new List<StreamTrace>();
        int tokens = StreamTokens * (index + 1) / options.Streams;
        while (!stop.IsCancellationRequested)
        {
            streams.Add(await server.CompleteAsync(prompts.Make(options.Input), tokens));
            tokens = StreamTokens;
        }

        return streams;
    }
}
