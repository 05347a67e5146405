using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>What a client saw of one request.</summary>
/// <param name="Tokens">Its tokens, in order.</param>
/// <param name="Usage">What the last item said.</param>
/// <param name="FirstToken">Start to first token.</param>
/// <param name="LongestGap">Longest time between two items with tokens.</param>
internal sealed record StreamResult(int[] Tokens, GenerateUsage Usage, TimeSpan FirstToken, TimeSpan LongestGap);

/// <summary>Requests with known answers to compare: every one has a seed and does not end before its last token.</summary>
internal static class GridRequests
{
    /// <summary>Ordinary tokens of the bundled model: special ones come first, then single bytes.</summary>
    private const int FirstOrdinaryToken = 300;
    private const int LastOrdinaryToken = 1500;

    /// <summary>Deterministic tokens.</summary>
    public static int[] Prompt(int length, Random random) => [.. Enumerable.Range(0, length).Select(_ => random.Next(FirstOrdinaryToken, LastOrdinaryToken))];

    /// <summary>Greedy without a seed, sampled with one.</summary>
    public static GenerateRequest Create(string model, int[] prompt, int tokens, int? seed = null) => new()
    {
        RequestId = Guid.NewGuid().ToString("N"),
        Model = model,
        Prompt = prompt,
        MaxTokens = tokens,
        IgnoreEos = true,
        Sampling = seed is { } value ? new SamplingOptions { Temperature = 0.9f, TopP = 0.95f, Seed = value } : new SamplingOptions { Temperature = 0 },
    };

    /// <summary>Requests as different users send them: short and long prompts, some with a common beginning, half of them sampled.</summary>
    public static GenerateRequest[] Mixed(string model, int count, int seed)
    {
        var random = new Random(seed);
        int[] shared = Prompt(96, random);
        var requests = new GenerateRequest[count];
        for (int i = 0; i < count; i++)
        {
            int length = random.Next(10) switch { < 5 => random.Next(3, 40), < 9 => random.Next(40, 200), _ => random.Next(200, 700) };
            int[] prompt = random.Next(4) == 0 ? [.. shared, .. Prompt(length, random)] : Prompt(length, random);
            requests[i] = Create(model, prompt, random.Next(10) < 8 ? random.Next(8, 80) : random.Next(80, 240), i % 2 == 0 ? null : i);
        }

        return requests;
    }

    /// <summary>Runs a request to its end.</summary>
    public static async Task<StreamResult> RunAsync(this IHost client, GenerateRequest request, Action<int>? onTokens = null)
    {
        List<int> tokens = [];
        long start = Stopwatch.GetTimestamp(), last = start;
        TimeSpan first = default, longest = default;
        TextUpdate? end = null;
        await foreach (TextUpdate update in client.Services.GetRequiredService<IGridClient>().GenerateAsync(request))
        {
            end = update;
            if (update.Tokens.Count == 0)
            {
                continue;
            }

            TimeSpan gap = Stopwatch.GetElapsedTime(last);
            last = Stopwatch.GetTimestamp();
            (first, longest) = tokens.Count == 0 ? (gap, longest) : (first, gap > longest ? gap : longest);
            tokens.AddRange(update.Tokens.Select(token => token.Token));
            onTokens?.Invoke(tokens.Count);
        }

        Assert.Equal(FinishReason.Length, end!.Finish);
        return new StreamResult([.. tokens], end.Usage!, first, longest);
    }

    /// <summary>Runs requests from several clients at once; results are in the order of the requests.</summary>
    public static async Task<StreamResult[]> RunAllAsync(this IReadOnlyList<IHost> clients, GenerateRequest[] requests, Action? onFinished = null)
    {
        var results = new StreamResult[requests.Length];
        int next = -1;
        await Task.WhenAll(clients.Select(client => Task.Run(async () =>
        {
            int i;
            while ((i = Interlocked.Increment(ref next)) < requests.Length)
            {
                results[i] = await client.RunAsync(requests[i]);
                onFinished?.Invoke();
            }
        })));
        return results;
    }
}
