using System.Diagnostics;
using System.Threading.Channels;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;

namespace ServingGrid.Grains.Transfer;

/// <summary>What a remote prefill has to say at its end, when all blocks are in the reservation.</summary>
/// <param name="First">The first new token.</param>
/// <param name="CachedTokens">Prompt tokens that the prefill device did not have to compute.</param>
/// <param name="SentBytes">KV that was sent.</param>
/// <param name="SendTime">Time in which something was being sent.</param>
public sealed record PrefillResult(ChosenToken First, int CachedTokens, long SentBytes = 0, TimeSpan SendTime = default);

/// <summary>
/// Runs one prefill for a reservation elsewhere: blocks are sent as the engine announces them, while it computes the next chunk. The engine's
/// thread only writes into a channel; gathering, hashing and sending happen on a task of its own, not on the scheduler of the grain that
/// waits for it, which has one turn at a time: pushes go on beside each other and beside the grain's other calls. What they take is bounded
/// by what the engine computes for others at a time, by one run of blocks for each, and by the transport's window for each peer.
/// </summary>
public sealed class PrefillPush : IPrefillSink
{
    // Bounded by the prompt: each block is announced once.
    private readonly Channel<(int First, int Count)> _ready = Channel.CreateUnbounded<(int First, int Count)>(new() { SingleReader = true, SingleWriter = true });
    private readonly TaskCompletionSource<PrefillResult> _computed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<EngineException> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private PrefillPush()
    {
    }

    /// <summary>Computes the prompt on <paramref name="engine"/> and sends its blocks to <paramref name="target"/>.</summary>
    /// <param name="engine">The prefill device's engine.</param>
    /// <param name="transport">The way to the decode device.</param>
    /// <param name="request">The same request as on the decode side.</param>
    /// <param name="skipTokens">Tokens that the decode device has already.</param>
    /// <param name="target">The reservation.</param>
    /// <param name="cancellation">The request's end or deadline: stops the prefill within a step.</param>
    /// <returns>When every block is acknowledged; or the engine's refusal.</returns>
    /// <exception cref="KvTransferException">The blocks did not get there.</exception>
    /// <exception cref="EngineException">The engine failed.</exception>
    public static async Task<SubmitResult<PrefillResult>> RunAsync(
        InferenceEngine engine, IKvTransport transport, SequenceRequest request, int skipTokens, KvTarget target, CancellationToken cancellation)
    {
        var push = new PrefillPush();
        SubmitResult<PrefillHandle> submitted = engine.SubmitPrefill(request, skipTokens, push);
        if (submitted.Accepted is not { } prefill)
        {
            return submitted.Refused!;
        }

        // Computing and sending end together: when either fails or the request ends, so does the other.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using CancellationTokenRegistration stop = ended.Token.Register(prefill.Release);
        Task<(long Bytes, TimeSpan Time)> sending = Task.Run(
            () => push.SendAllAsync(transport, target, prefill, ended.Token), CancellationToken.None);
        try
        {
            if (await Task.WhenAny(sending, push._failed.Task) != sending)
            {
                throw await push._failed.Task;
            }

            // It ends with the last block, which is ready when the prompt is computed.
            (long bytes, TimeSpan time) = await sending;
            return await push._computed.Task with { SentBytes = bytes, SendTime = time };
        }
        catch (KvTransferException)
        {
            // Blocks of a prompt that fails in its last step are given up while they are sent: what ends the prefill is the reason then,
            // and is known within a step.
            prefill.Release();
            await Task.WhenAny(push._computed.Task, push._failed.Task).WaitAsync(cancellation);
            if (push._failed.Task.IsCompleted && await push._failed.Task is { BlamesSequence: true } reason)
            {
                throw reason;
            }

            throw;
        }
        finally
        {
            await ended.CancelAsync();
            await ((Task)sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <inheritdoc/>
    public void BlocksReady(PrefillHandle prefill, int firstBlock, int count) => _ready.Writer.TryWrite((firstBlock, count));

    /// <inheritdoc/>
    public void Completed(PrefillHandle prefill, ChosenToken first, int cachedTokens)
    {
        _computed.TrySetResult(new PrefillResult(first, cachedTokens));
        _ready.Writer.TryComplete();
    }

    /// <inheritdoc/>
    public void Failed(PrefillHandle prefill, EngineException reason)
    {
        _failed.TrySetResult(reason);
        _ready.Writer.TryComplete(reason);
    }

    private async Task<(long Bytes, TimeSpan Time)> SendAllAsync(IKvTransport transport, KvTarget target, PrefillHandle prefill, CancellationToken cancellation)
    {
        long bytes = 0;
        TimeSpan time = default;
        while (await _ready.Reader.WaitToReadAsync(cancellation))
        {
            // What became ready while the last run was sent goes in one run.
            _ready.Reader.TryRead(out (int First, int Count) run);
            while (_ready.Reader.TryPeek(out (int First, int Count) next) && next.First == run.First + run.Count)
            {
                _ready.Reader.TryRead(out _);
                run.Count += next.Count;
            }

            long start = Stopwatch.GetTimestamp();
            await transport.SendAsync(target, prefill, run.First, run.Count, cancellation);
            time += Stopwatch.GetElapsedTime(start);
            bytes += (long)run.Count * prefill.Layout.BlockBytesAllLayers;
        }

        return (bytes, time);
    }
}
