using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace ServingGrid.Client.Requests;

/// <summary>Starts one attempt at a request; the grid behind it, or a script in tests. Tokens may be pushed to its items ahead of the stream.</summary>
internal delegate IAsyncEnumerable<GenerateUpdate> StartAttempt(GenerateAttempt attempt, AttemptItems items, CancellationToken cancellation);

/// <summary>
/// One request as one unbroken stream, however many attempts it takes: when the silo of attempt n is lost, attempt n+1 starts
/// elsewhere with the prompt and every token received so far, so that none is lost and none comes twice. Elsewhere is a device that
/// computes the same bits (<see cref="AnswerNumerics"/>).
/// </summary>
internal sealed class RequestStream(StartAttempt start, FindDead findDead, GridClientOptions options, TimeProvider time, ILogger log)
{
    /// <summary>Items with tokens or the finish; heartbeats are consumed here. The request must carry a seed.</summary>
    /// <exception cref="GridException">The request failed, or nothing answered in time.</exception>
    public async IAsyncEnumerable<GenerateUpdate> Read(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellation)
    {
        List<int> generated = [];
        AnswerNumerics numerics = new(request, options.AllowNumericsChange, log);
        HashSet<string> avoid = [];
        RequestBlame blame = new(request, findDead, time);
        GenerateUsage? firstUsage = null;
        bool accepted = false;
        long lastSign = time.GetTimestamp();
        int started = 0;
        while (true)
        {
            if (generated.Count > 0 && generated.Count >= request.MaxTokens)
            {
                // The silo was lost after the last token and before the end of the stream.
                GenerateUsage usage = Usage(request, generated.Count, firstUsage, null);
                yield return new GenerateUpdate { Finish = FinishReason.Length, Numerics = numerics.Current, Usage = usage };
                yield break;
            }

            string? device = null;
            Exception? failure = null;
            numerics.Begin();
            AttemptRace race = new(StartNext, IsFinal, options.HedgeAfter, time);
            await using (AttemptReader reader = await race.RunAsync(cancellation))
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

                    item = numerics.Take(item);
                    // A silo that holds the request in its queue, and says so, does what it can.
                    accepted = true;
                    lastSign = time.GetTimestamp();
                    firstUsage ??= item.Usage;
                    generated.AddRange(item.Tokens.Select(token => token.Token));
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

                device = reader.Device;
                await blame.Note(reader, cancellation);
            }

            string? failed = failure is GridException { Error: GridError.RequestFailed } named ? named.Device : null;
            if (blame.IsProven || (failed is not null && started == options.MaxAttempts))
            {
                throw blame.ToException(failure, device);
            }

            if (failed is not null)
            {
                // The device that runs the rest of the request is not to blame if that is another one.
                avoid.Add(failed);
                ClientMetrics.RequestRetries.Add(1, new("model_name", request.Model), new("reason", "request failed"));
                log.AttemptFailed(request.RequestId, started - 1, failed, failure!.Message);
                continue;
            }

            if (failure is GridException { Error: GridError.Overloaded, Device: { } full } && avoid.Add(full) && started < options.MaxAttempts)
            {
                // Another may have room. The one that says no twice was the only one to ask.
                ClientMetrics.RequestRetries.Add(1, new("model_name", request.Model), new("reason", "queue full"));
                continue;
            }

            if (device is not null)
            {
                avoid.Add(device);
            }

            if (numerics.TryRelease(failure!, isLast: started == options.MaxAttempts))
            {
                ClientMetrics.RequestRetries.Add(1, new("model_name", request.Model), new("reason", "numerics class gone"));
                continue;
            }

            // A stream that just ends, without a finish, is as broken as one that throws: ReadAsync has thrown in both cases.
            await Recover(request, started, generated.Count, accepted, lastSign, failure!, numerics, cancellation);
        }

        async ValueTask<bool> IsFinal(AttemptReader attempt)
        {
            await blame.Note(attempt, cancellation);
            return blame.IsProven || attempt.Failure is { } failure and not GridException { Error: GridError.RequestFailed } && !RequestFailures.IsTransient(failure, resuming: true);
        }

        AttemptReader? StartNext(int underWay)
        {
            if (started == options.MaxAttempts)
            {
                return null;
            }

            if (underWay > 0)
            {
                ClientMetrics.RequestRetries.Add(1, new("model_name", request.Model), new("reason", "silence"));
                log.AttemptSilent(request.RequestId, started - 1, options.HedgeAfter!.Value.TotalSeconds);
            }

            GenerateAttempt attempt = new()
            {
                Request = request,
                Number = started++,
                Generated = [.. generated],
                Avoid = [.. avoid.Union(blame.Failed).Union(blame.Lost)],
                Failed = blame.Failed,
                Numerics = numerics.Required,
                ChangedFrom = numerics.ChangedFrom,
            };
            AttemptItems items = new(time);
            return new AttemptReader(attempt, start(attempt, items, cancellation), items, options, time, log, cancellation);
        }
    }

    private async Task Recover(
        GenerateRequest request,
        int started,
        int tokens,
        bool accepted,
        long lastSign,
        Exception failure,
        AnswerNumerics numerics,
        CancellationToken cancellation)
    {
        bool broken = failure is System.Threading.Channels.ChannelClosedException;
        if (!broken && !RequestFailures.IsTransient(failure, accepted))
        {
            throw failure as GridException ?? new GridException(GridError.Internal, $"The request failed in the grid: {failure.Message}", failure);
        }

        if (started >= options.MaxAttempts || time.GetElapsedTime(lastSign) >= options.RecoveryTimeout)
        {
            string reason = numerics.Explain() ?? failure.Message;
            double silence = time.GetElapsedTime(lastSign).TotalSeconds;
            throw new GridException(
                GridError.Unavailable,
                $"No silo could serve the request ({started} attempts, {silence:0.0} s without a sign of life): {reason}",
                failure);
        }

        ClientMetrics.RequestRetries.Add(1, new("model_name", request.Model), new("reason", failure.GetType().Name));
        log.AttemptLost(request.RequestId, started - 1, tokens, failure.Message);
        await Task.Delay(RequestFailures.Backoff(started, Random.Shared), time, cancellation);
    }

    /// <summary>What the caller sees is one request: its own prompt, and the cache hits of the first attempt.</summary>
    private static GenerateUsage Usage(GenerateRequest request, int completionTokens, GenerateUsage? first, GenerateUsage? last) => new()
    {
        PromptTokens = request.Prompt.Length,
        CachedTokens = Math.Min((first ?? last)?.CachedTokens ?? 0, request.Prompt.Length),
        CompletionTokens = completionTokens,
    };
}
