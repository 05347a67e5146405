using System.Diagnostics;
using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Http;

/// <summary>Clients that each send one request after another, every prompt new.</summary>
internal sealed class LoadTest(int clients, HttpOptions options) : HttpTest($"{clients} client{(clients == 1 ? "" : "s")} of {options.Input} in and {options.Output} out")
{
    public override async Task RunAsync(ServerUnderTest server, Findings findings)
    {
        int[][] prompts = [.. Enumerable.Range(0, clients * options.Requests).Select(_ => server.Prompts.Make(options.Input))];
        long start = Stopwatch.GetTimestamp();
        StreamTrace[][] traces = await Task.WhenAll(Enumerable.Range(0, clients).Select(client => RunClientAsync(server, prompts.AsMemory(client * options.Requests, options.Requests))));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        StreamTrace[] all = [.. traces.SelectMany(trace => trace)];
        findings.Add("output tokens/s", all.Sum(trace => trace.CompletionTokens) / seconds);
        findings.AddLatencies("TTFT", [.. all.Select(trace => trace.FirstTokenMilliseconds)]);
        findings.AddLatencies("ITL", [.. all.SelectMany(trace => trace.Gaps)]);
    }

    private async Task<StreamTrace[]> RunClientAsync(ServerUnderTest server, ReadOnlyMemory<int[]> prompts)
    {
        var traces = new StreamTrace[prompts.Length];
        for (int i = 0; i < traces.Length; i++)
        {
            traces[i] = await server.CompleteAsync(prompts.Span[i], options.Output);
        }

        return traces;
    }
}
