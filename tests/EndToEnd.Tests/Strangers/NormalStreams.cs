using System.Diagnostics;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests.Strangers;

/// <summary>Eight streams of well-behaved clients, which must not notice what others do.</summary>
internal sealed class NormalStreams(GatewayProcess gateway)
{
    private const int Count = 8;
    private const int Tokens = 400;

    private string[] _expected = [];
    private TimeSpan _undisturbed;

    /// <summary>Learns the tokens and the longest gap of streams that nobody disturbs.</summary>
    public async Task LearnAsync()
    {
        // Twice: the first round compiles, and finds memory.
        await RunRoundAsync();
        (_expected, _undisturbed) = await RunRoundAsync();
        Assert.True(_expected.Distinct().Count() > 1, "The answers should differ, or the test shows little.");
    }

    /// <summary>
    /// Runs round after round until <paramref name="others"/> are done, and one more. Each has the same tokens as alone, and no stream
    /// waits for seconds: the bound is
    /// generous because this machine may be busy with other things.
    /// </summary>
    public async Task CheckBesideAsync(Task others)
    {
        bool last;
        do
        {
            last = others.IsCompleted;
            (string[] tokens, TimeSpan gap) = await RunRoundAsync();
            Assert.Equal(_expected, tokens);
            Assert.True(
                gap < TimeSpan.FromSeconds(3) + 10 * _undisturbed, $"A stream waited for {gap}; undisturbed, for {_undisturbed} at most.");
        }
        while (!last);

        await others;
    }

    private async Task<(string[] Tokens, TimeSpan Gap)> RunRoundAsync()
    {
        (string Tokens, TimeSpan Gap)[] streams =
            await Task.WhenAll(Enumerable.Range(0, Count).Select(RunAsync)).WaitAsync(TimeSpan.FromMinutes(3));
        return ([.. streams.Select(stream => stream.Tokens)], streams.Max(stream => stream.Gap));
    }

    private async Task<(string Tokens, TimeSpan Gap)> RunAsync(int i)
    {
        using HttpResponseMessage response = await gateway.PostAsync("/v1/completions", new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["prompt"] = $"Story {i}: once upon a time",
            ["max_tokens"] = Tokens,
            ["ignore_eos"] = true,
            ["temperature"] = i % 2,
            ["seed"] = i,
            ["stream"] = true,
        });
        Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}");
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        var text = new System.Text.StringBuilder();
        TimeSpan longest = TimeSpan.Zero;
        long before = Stopwatch.GetTimestamp();
        while (await lines.ReadLineAsync() is { } line)
        {
            if (line == "data: [DONE]")
            {
                return (text.ToString(), longest);
            }

            if (line.Length > 0)
            {
                text.Append((string?)JsonNode.Parse(line["data: ".Length..])!["choices"]![0]!["text"]);
                TimeSpan gap = Stopwatch.GetElapsedTime(before);
                longest = gap > longest ? gap : longest;
                before = Stopwatch.GetTimestamp();
            }
        }

        throw new InvalidOperationException($"Stream {i} ended early:\n{gateway.Output}");
    }
}
