using System.Runtime.CompilerServices;
using Orleans.GrainDirectory;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Placement;
using ServingGrid.Grains.Status;

namespace ServingGrid.Grains.Requests;

/// <summary>
/// One attempt at one request, on the silo whose engine decodes it:
/// <code>
///   1 check      the model is served here, in the answer's class of arithmetic; the device takes requests
///   2 start      the engine accepts the sequence or refuses it at once; its prompt is computed here or elsewhere
///   3 stream     tokens as they appear, a heartbeat when none does; where the client takes them as they appear, the heartbeats have them
///   4 release    whatever happens, the engine drops the sequence within one step
/// </code>
/// </summary>
[KvAwarePlacement]
[GrainDirectory(RequestDirectory.Name)]
internal sealed class RequestGrain(
    RequestAdmission admission,
    Handover handover,
    TokenDispatcher tokens,
    RequestsInFlight requests,
    RequestMetrics metrics,
    TimeProvider time,
    ILogger<RequestGrain> log) : Grain, IRequestGrain
{
    /// <summary>Longest silence of a stream, with room for delays below the 500 ms that clients are promised.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromMilliseconds(400);

    /// <summary>A client that has not asked for the next item for so long is gone: clients read ahead of their consumers.</summary>
    public static readonly TimeSpan OrphanTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How long the grain stays after its request has ended.</summary>
    public static readonly TimeSpan Linger = TimeSpan.FromSeconds(2);

    private static readonly GenerateUpdate Beat = new();

    public async IAsyncEnumerable<GenerateUpdate> Generate(GenerateAttempt attempt, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        string requestId = attempt.Request.RequestId;
        using IDisposable? scope = log.BeginScope(new Dictionary<string, object> { ["RequestId"] = requestId, ["Attempt"] = attempt.Number });
        GridMetrics.ActiveRequests.Add(1);
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using RequestInFlight request = requests.Begin(attempt, forPeer: false);
        using OrphanWatch watch = new(time, OrphanTimeout, () =>
        {
            GridMetrics.OrphanedRequests.Add(1);
            log.Orphaned(requestId, OrphanTimeout.TotalSeconds);
            try
            {
                ended.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The request has ended in this very moment.
            }
        });
        Task<(SequenceHandle Sequence, Task Prefill)>? start = null;
        SequenceReader? reader = null;
        try
        {
            // :: 1
            admission.Check(attempt);

            // :: 2
            start = handover.Start(attempt, ended.Token);
            GenerateUpdate item = new() { Device = admission.Device.Id, Numerics = admission.Device.Numerics };
            while (!await IsDone(start, Heartbeat, ended.Token))
            {
                watch.Enter();
                yield return item;
                watch.Leave();
                item = Beat;
            }

            // :: 3
            (SequenceHandle sequence, Task prefill) = await start;
            request.Started(prefill);

            // A stream that nobody reads stands still at a "yield": what is below does not run then, and the engine has to be told from here.
            using CancellationTokenRegistration cancelled = ended.Token.Register(sequence.Cancel);
            reader = new SequenceReader(sequence.Updates, attempt.Push, request, metrics, time, admission.Device.Numerics);
            tokens.Add(reader);
            watch.Enter();
            yield return item;
            do
            {
                watch.Leave();
                item = await reader.Next(Heartbeat, ended.Token) ?? Beat;
                watch.Enter();
                yield return item;
            }
            while (item.Finish is null);
        }
        finally
        {
            // :: 4
            GridMetrics.ActiveRequests.Add(-1);
            DeactivateSoon();
            await ended.CancelAsync();
            if (start is not null)
            {
                await Release(start, reader);
            }
        }
    }

    /// <summary>
    /// Not at once: the client still disposes its enumerator, and that call would activate the grain anew, on any silo, only to
    /// find nothing.
    /// </summary>
    private void DeactivateSoon() =>
        this.RegisterGrainTimer(static (grain, _) => { grain.DeactivateOnIdle(); return Task.CompletedTask; }, this, Linger, Timeout.InfiniteTimeSpan);

    /// <summary>True when the task has ended, in whatever way; false when it takes longer than <paramref name="patience"/>.</summary>
    private async Task<bool> IsDone(Task task, TimeSpan patience, CancellationToken cancellation)
    {
        if (!task.IsCompleted)
        {
            await Task.WhenAny(task, Task.Delay(patience, time, cancellation));
            cancellation.ThrowIfCancellationRequested();
        }

        return task.IsCompleted;
    }

    private async Task Release(Task<(SequenceHandle Sequence, Task Prefill)> start, SequenceReader? reader)
    {
        // What it threw has been reported by the stream; a wait for blocks has been cancelled.
        await ((Task)start).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (start.IsCompletedSuccessfully)
        {
            (SequenceHandle sequence, Task prefill) = start.Result;
            sequence.Cancel();
            if (reader is not null)
            {
                await reader.CountEnd(Linger);
                tokens.Remove(reader);
            }

            await prefill;
        }
    }
}
