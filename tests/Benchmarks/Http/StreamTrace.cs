using System.Diagnostics;

namespace ServingGrid.Benchmarks.Http;

/// <summary>When the tokens of one answer arrived. Timestamps are <see cref="Stopwatch"/>'s.</summary>
internal sealed record StreamTrace
{
    public required long Sent { get; init; }

    /// <summary>Arrival of each chunk that carries text. A server may put several tokens into one, or hold back half a character.</summary>
    public required IReadOnlyList<long> Chunks { get; init; }

    /// <summary>As the server counts them.</summary>
    public required int CompletionTokens { get; init; }

    /// <summary>Prompt tokens that the server did not have to compute, if it says so.</summary>
    public required int CachedTokens { get; init; }

    /// <summary>
    /// Nearly every token came in a chunk of its own, so that gaps between chunks are gaps between tokens. Where a character takes two tokens, only the second shows: a
    /// model that says nothing but such characters makes a server look half as quick as it is.
    /// </summary>
    public bool ShowsEachToken => CompletionTokens - Chunks.Count <= CompletionTokens / 100;

    /// <summary>Milliseconds from the request to the first chunk.</summary>
    public double FirstTokenMilliseconds => Stopwatch.GetElapsedTime(Sent, Chunks[0]).TotalMilliseconds;

    /// <summary>Milliseconds from the request to the last chunk.</summary>
    public double TotalMilliseconds => Stopwatch.GetElapsedTime(Sent, Chunks[^1]).TotalMilliseconds;

    /// <summary>Milliseconds between chunks.</summary>
    public IEnumerable<double> Gaps => GapsOf(Chunks);

    /// <summary>Milliseconds between timestamps, of those gaps that end within a span of time.</summary>
    public static IEnumerable<double> GapsOf(IReadOnlyList<long> chunks, long from = 0, long until = long.MaxValue)
    {
        for (int i = 1; i < chunks.Count; i++)
        {
            if (chunks[i] >= from && chunks[i] < until)
            {
                yield return Stopwatch.GetElapsedTime(chunks[i - 1], chunks[i]).TotalMilliseconds;
            }
        }
    }
}
