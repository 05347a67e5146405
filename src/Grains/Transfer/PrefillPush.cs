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
/// thread only writes into a channel; gathering and sending happen on this object's own task.
/// </summary>
public sealed class PrefillPush : IPrefillSink
{
    // Bounded by the prompt: each block is announced once.
    private readonly Channel<(int First, int Count)> _ready = Channel.CreateUnbounded<(int First, int Count)>(new() { SingleReader = true, SingleWriter = true });
    private readonly TaskCompletionSource<PrefillResult> _computed = new(TaskCreationOptions.RunContinuationsAsynchronously);

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

        using CancellationTokenRegistration stop = cancellation.Register(prefill.Release);
        try
        {
            (long bytes, TimeSpan time) = await push.SendAllAsync(transport, target, prefill, cancellation);
            return await push._computed.Task.WaitAsync(cancellation) with { SentBytes = bytes, SendTime = time };
        }
        catch (KvTransferException)
        {
            // Blocks of a prompt that fails in its last step are given up while they are sent: what ends the prefill is the reason then,
            // and is known within a step.
            prefill.Release();
            await ((Task)push._computed.Task).WaitAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (push._computed.Task.Exception?.InnerException is EngineException { BlamesSequence: true } reason)
            {
                throw reason;
            }

            throw;
        }
        finally
        {
            prefill.Release();
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
        _computed.TrySetException(reason);
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
