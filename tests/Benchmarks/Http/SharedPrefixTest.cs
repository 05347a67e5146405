using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Http;

/// <summary>A long prefix that several clients bring at once, first when nobody has met it and then when the server has.</summary>
internal sealed class SharedPrefixTest(HttpOptions options) : HttpTest($"{Clients} clients share {options.Prefix} tokens")
{
    private const int Clients = 4;
    private const int OwnTokens = 16;
    private const int Output = 8;

    public override async Task RunAsync(ServerUnderTest server, Findings findings)
    {
        int[] prefix = server.Prompts.Make(options.Prefix);
        StreamTrace[] cold = await Task.WhenAll(Prompts(server, prefix).Select(prompt => server.CompleteAsync(prompt, Output)));
        StreamTrace[] warm = await Task.WhenAll(Prompts(server, prefix).Select(prompt => server.CompleteAsync(prompt, Output)));
        StreamTrace alone = await server.CompleteAsync(Prompts(server, prefix)[0], Output);
        findings.AddLatencies("cold TTFT", [.. cold.Select(trace => trace.FirstTokenMilliseconds)]);
        findings.AddLatencies("warm TTFT", [.. warm.Select(trace => trace.FirstTokenMilliseconds)]);
        findings.Add("warm TTFT of one client", alone.FirstTokenMilliseconds);
        findings.Add("cached tokens when cold", cold.Average(trace => trace.CachedTokens));
    }

    private static int[][] Prompts(ServerUnderTest server, int[] prefix) =>
        [.. Enumerable.Range(0, Clients).Select(_ => (int[])[.. prefix, .. server.Prompts.Make(OwnTokens)])];
}
