using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace ServingGrid.Client.Requests;

/// <summary>
/// Reads the stream of one attempt as fast as the grid sends it, so that a slow consumer neither looks like a lost client to
/// the grid nor like a lost silo to the watchdog. What waits here is bounded by the request's context length.
/// </summary>
/// <remarks>
/// An Orleans client is not told when the silo that it streams from dies, so every gap is watched: the grain sends
/// heartbeats, and their absence ends the attempt in a <see cref="TimeoutException"/>.
/// </remarks>
internal sealed class AttemptReader : IAsyncDisposable
{
    private readonly ILogger _log;
    private readonly CancellationTokenSource _cancellation;
    private readonly AttemptItems _items;
    private readonly Task _pump;

    /// <param name="attempt">The attempt.</param>
    /// <param name="stream">Its stream.</param>
    /// <param name="items">Where its items go, and the tokens that are pushed ahead of them.</param>
    /// <param name="options">How long to wait for the first item and for each other one.</param>
    /// <param name="time">Clock.</param>
    /// <param name="log">Log.</param>
    /// <param name="cancellation">The request's end.</param>
    public AttemptReader(
        GenerateAttempt attempt, IAsyncEnumerable<GenerateUpdate> stream, AttemptItems items, GridClientOptions options, TimeProvider time, ILogger log, CancellationToken cancellation)
    {
        Attempt = attempt;
        _items = items;
        _log = log;
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _pump = Pump(stream, options.StartTimeout, options.StallTimeout, time);
        Answered = _items.Reader.WaitToReadAsync(CancellationToken.None).AsTask();
    }

    /// <summary>What was asked for.</summary>
    public GenerateAttempt Attempt { get; }

    /// <inheritdoc cref="AttemptItems.Device"/>
    public string? Device => _items.Device;

    /// <inheritdoc cref="AttemptItems.Silo"/>
    public SiloAddress? Silo => _items.Silo;

    /// <inheritdoc cref="AttemptItems.Lived"/>
    public TimeSpan? Lived => _items.Lived;

    /// <summary>What ended the attempt, once it has ended; null as well for a stream that just stops.</summary>
    public Exception? Failure => _items.Failure;

    /// <summary>The attempt's items; faults with what ended the attempt.</summary>
    public ChannelReader<GenerateUpdate> Items => _items.Reader;

    /// <summary>True once an item can be read; false or faulted when the attempt has ended without one.</summary>
    public Task<bool> Answered { get; }

    /// <summary>Stops the attempt in the grid. Does not wait for a silo that may be gone.</summary>
    public async ValueTask DisposeAsync()
    {
        await _cancellation.CancelAsync();
        await _pump;
        _cancellation.Dispose();
    }

    private async Task Pump(IAsyncEnumerable<GenerateUpdate> stream, TimeSpan start, TimeSpan stall, TimeProvider time)
    {
        CancellationToken cancellation = _cancellation.Token;
        IAsyncEnumerator<GenerateUpdate>? enumerator = null;
        Task<bool>? move = null;
        Exception? failure = null;
        try
        {
            enumerator = stream.GetAsyncEnumerator(cancellation);
            TimeSpan limit = start;
            while (true)
            {
                move = enumerator.MoveNextAsync().AsTask();
                if (!await move.WaitAsync(limit, time, cancellation))
                {
                    break;
                }

                _items.Add(enumerator.Current);
                limit = stall;
            }
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        _items.Complete(failure);
        if (enumerator is null)
        {
            return;
        }

        if (failure is null)
        {
            await enumerator.DisposeAsync();
        }
        else
        {
            // An answer may be outstanding from a silo that is gone: the call's own deadline ends it, nobody waits for it here.
            await _cancellation.CancelAsync();
            _ = Abandon(enumerator, move);
        }
    }

    private async Task Abandon(IAsyncEnumerator<GenerateUpdate> enumerator, Task? move)
    {
        try
        {
            if (move is not null)
            {
                await move.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await enumerator.DisposeAsync();
        }
        catch (Exception exception)
        {
            // What ended the attempt has been reported; a grain that cannot be told any more ends when it is no longer polled.
            _log.AbandonedStreamFailed(exception);
        }
    }
}
