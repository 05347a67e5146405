using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace ServingGrid.Client.Requests;

/// <summary>Starts one attempt at a request; the grid behind it, or a script in tests.</summary>
internal delegate IAsyncEnumerable<GenerateUpdate> StartAttempt(GenerateAttempt attempt, CancellationToken cancellation);

/// <summary>
/// One request as one unbroken stream, however many attempts it takes: when the silo of attempt n is lost, attempt n+1 starts
/// elsewhere with the prompt and every token received so far, so that none is lost and none comes twice.
/// </summary>
internal sealed class RequestStream(StartAttempt start, GridClientOptions options, TimeProvider time, ILogger log)
{
    /// <summary>Items with tokens or the finish; heartbeats are consumed here. The request must carry a seed.</summary>
    /// <exception cref="GridException">The request failed, or nothing answered in time.</exception>
    public async IAsyncEnumerable<GenerateUpdate> Read(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellation)
    {
        List<int> generated = [];
        HashSet<string> lost = [];
        GenerateUsage? firstUsage = null;
        bool accepted = false;
        long lastProgress = time.GetTimestamp();
        for (int number = 0; ; number++)
        {
            if (generated.Count > 0 && generated.Count >= request.MaxTokens)
            {
                // The silo was lost after the last token and before the end of the stream.
                yield return new GenerateUpdate { Finish = FinishReason.Length, Usage = Usage(request, generated.Count, firstUsage, null) };
                yield break;
            }

            GenerateAttempt attempt = new() { Request = request, Number = number, Generated = [.. generated], Avoid = [.. lost] };
            string? device = null;
            Exception? failure = null;

            // The silo that was lost may be this client's way into the grid, too: the next attempt then meets silence, which must
            // not last for as long as a slow start may take. The attempts after it are patient again.
            TimeSpan startTimeout = number == 1 && options.StallTimeout < options.StartTimeout ? options.StallTimeout : options.StartTimeout;
            await using (AttemptReader reader = new(start(attempt, cancellation), startTimeout, options.StallTimeout, time, log, cancellation))
            {
                while (true)
                {
                    GenerateUpdate? item = null;
                    try
                    {
                        item = await reader.Items.ReadAsync(cancellation);
                    }
                    catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
                    {
                        throw;
                    }
                    catch (Exception exception)
                    {
                        failure = (exception as System.Threading.Channels.ChannelClosedException)?.InnerException ?? exception;
                    }

                    if (item is null)
                    {
                        break;
                    }

                    accepted = true;
                    device ??= item.Device;
                    firstUsage ??= item.Usage;
                    if (item.Tokens.Count > 0)
                    {
                        lastProgress = time.GetTimestamp();
                        generated.AddRange(item.Tokens.Select(token => token.Token));
                    }

                    if (item.Finish is { } finish)
                    {
                        yield return item with { Usage = Usage(request, generated.Count, firstUsage, item.Usage) };
                        yield break;
                    }

                    if (item.Tokens.Count > 0)
                    {
                        yield return item;
                    }
                }
            }

            if (device is not null)
            {
                lost.Add(device);
            }

            // A stream that just ends, without a finish, is as broken as one that throws: ReadAsync has thrown in both cases.
            await Recover(request, number, generated.Count, accepted, lastProgress, failure!, cancellation);
        }
    }

    private async Task Recover(GenerateRequest request, int number, int tokens, bool accepted, long lastProgress, Exception failure, CancellationToken cancellation)
    {
        bool broken = failure is System.Threading.Channels.ChannelClosedException;
        if (!broken && !RequestFailures.IsTransient(failure, accepted))
        {
            throw failure as GridException ?? new GridException(GridError.Internal, $"The request failed in the grid: {failure.Message}", failure);
        }

        if (number + 1 >= options.MaxAttempts || time.GetElapsedTime(lastProgress) >= options.RecoveryTimeout)
        {
            throw new GridException(
                GridError.Unavailable,
                $"No silo could serve the request ({number + 1} attempts, {time.GetElapsedTime(lastProgress).TotalSeconds:0.0} s without a token): {failure.Message}",
                failure);
        }

        ClientMetrics.RequestRetries.Add(1, new("model_name", request.Model), new("reason", failure.GetType().Name));
        log.AttemptLost(request.RequestId, number, tokens, failure.Message);
        await Task.Delay(RequestFailures.Backoff(number + 1, Random.Shared), time, cancellation);
    }

    /// <summary>What the caller sees is one request: its own prompt, and the cache hits of the first attempt.</summary>
    private static GenerateUsage Usage(GenerateRequest request, int completionTokens, GenerateUsage? first, GenerateUsage? last) => new()
    {
        PromptTokens = request.Prompt.Length,
        CachedTokens = Math.Min((first ?? last)?.CachedTokens ?? 0, request.Prompt.Length),
        CompletionTokens = completionTokens,
    };
}
