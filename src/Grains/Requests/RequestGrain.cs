using System.Runtime.CompilerServices;
using Orleans.GrainDirectory;
using ServingGrid.Client;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Placement;
using ServingGrid.Grains.Status;

namespace ServingGrid.Grains.Requests;

/// <summary>
/// One attempt at one request, on the silo whose engine decodes it:
/// <code>
///   1 check      the model is served here, in the answer's class of arithmetic; the device takes requests
///   2 place      the client is told where the request is, before it can do anything to this process
///   3 start      the engine accepts the sequence or refuses it at once; its prompt is computed here or elsewhere
///   4 stream     tokens as they appear, a heartbeat when none does; where the client takes them as they appear, the heartbeats have them
///   5 release    whatever happens, the engine drops the sequence within one step
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
        using RequestInFlight request = requests.Begin(attempt, forPeer: false, admission.Device.Numerics);
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
        Task<StartedSequence>? start = null;
        SequenceReader? reader = null;
        try
        {
            // :: 1
            admission.Check(attempt);

            // :: 2
            // Orleans runs ahead of an item that is there at once, and hands over one that was waited for before it asks for the next.
            await Task.Yield();
            watch.Enter();
            yield return new GenerateUpdate { Device = admission.Device.Id, Placed = admission.Device.Silo };
            watch.Leave();

            // :: 3
            start = handover.Start(attempt, ended.Token);
            GenerateUpdate item = new() { Device = admission.Device.Id, Numerics = admission.Device.Numerics };
            while (!await IsDone(start, Heartbeat, ended.Token))
            {
                watch.Enter();
                yield return item;
                watch.Leave();
                item = Beat;
            }

            // :: 4
            StartedSequence sequence = await start;
            request.Started(sequence.Prefill);

            // A stream that nobody reads stands still at a "yield": what is below does not run then, and the engine has to be told from here.
            using CancellationTokenRegistration cancelled = ended.Token.Register(sequence.Handle.Cancel);
            reader = new SequenceReader(sequence.Handle.Updates, admission.Device, attempt.Push, request, metrics, time);
            tokens.Add(reader);
            watch.Enter();
            yield return item;
            do
            {
                watch.Leave();
                item = await Next(reader, sequence, ended.Token) ?? Beat;
                watch.Enter();
                yield return item;
            }
            while (item.Finish is null);
        }
        finally
        {
            // :: 5
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

    private static async Task<GenerateUpdate?> Next(SequenceReader reader, StartedSequence sequence, CancellationToken cancellation)
    {
        try
        {
            return await reader.Next(Heartbeat, cancellation);
        }
        catch (GridException) when (sequence.Failure is { } reason)
        {
            throw reason;
        }
    }

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

    private async Task Release(Task<StartedSequence> start, SequenceReader? reader)
    {
        // What it threw has been reported by the stream; a wait for blocks has been cancelled.
        await ((Task)start).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (start.IsCompletedSuccessfully)
        {
            StartedSequence sequence = start.Result;
            sequence.Handle.Cancel();
            if (reader is not null)
            {
                await reader.CountEnd(Linger);
                tokens.Remove(reader);
            }

            await sequence.Prefill;
        }
    }
}
