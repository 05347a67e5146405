using System.Threading.Channels;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Status;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Requests;

/// <summary>
/// Turns the updates of one sequence into items of a stream: all that is there at once makes one item. <see cref="TokenDispatcher"/> reads what the
/// engine has published, the request's grain takes the items. Thread-safe.
/// </summary>
/// <param name="updates">The sequence's; nobody else reads them.</param>
/// <param name="push">Where tokens go as they appear, so that an item has those of a heartbeat; null: they make an item as they appear.</param>
/// <param name="request">Told of tokens.</param>
/// <param name="metrics">Told of tokens and of the end.</param>
/// <param name="time">Clock.</param>
/// <param name="numerics">Class of the engine's arithmetic, which the first tokens carry when they are pushed.</param>
internal sealed class SequenceReader(
    ChannelReader<SequenceUpdate> updates,
    TokenRoute? push,
    RequestInFlight request,
    RequestMetrics metrics,
    TimeProvider time,
    string? numerics = null)
{
    private readonly Lock _gate = new();
    private List<GeneratedToken> _tokens = [];
    private TaskCompletionSource? _awaited;
    private int _count;
    private long _lastToken;
    private SequenceEnd? _end;
    private GridException? _failure;

    /// <summary>Nothing more will be read.</summary>
    public bool Ended
    {
        get
        {
            lock (_gate)
            {
                return _end is not null || _failure is not null;
            }
        }
    }

    /// <summary>Where <see cref="Read"/>'s tokens go.</summary>
    public ITokenSink? Sink => push?.Sink;

    private bool HasItem => _end is not null || _failure is not null || (push is null && _tokens.Count > 0);

    /// <summary>Reads what has been published; the new tokens if they are to be pushed. The last ones come at once with the end, in an item.</summary>
    public PushedTokens? Read()
    {
        TaskCompletionSource? awaited = null;
        PushedTokens? pushed = null;
        lock (_gate)
        {
            int first = _tokens.Count;
            ReadUpdates();
            int added = _tokens.Count - first;
            _count += added;
            request.Generated(added);
            if (HasItem)
            {
                (awaited, _awaited) = (_awaited, null);
            }
            else if (added > 0)
            {
                pushed = new PushedTokens(push!.Stream, _count - added, [.. _tokens.Skip(first)], _count == added ? numerics : null);
            }
        }

        awaited?.SetResult();
        return pushed;
    }

    /// <summary>The next item; null when nothing came within <paramref name="patience"/>.</summary>
    /// <exception cref="GridException">The engine gave the sequence up.</exception>
    public async Task<GenerateUpdate?> Next(TimeSpan patience, CancellationToken cancellation)
    {
        Task awaited;
        lock (_gate)
        {
            if (HasItem)
            {
                return Take();
            }

            _awaited ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            awaited = _awaited.Task;
        }

        try
        {
            await awaited.WaitAsync(patience, time, cancellation);
        }
        catch (TimeoutException)
        {
            // A heartbeat is due.
        }

        lock (_gate)
        {
            return HasItem || _tokens.Count > 0 ? Take() : null;
        }
    }

    /// <summary>Waits until the end of a sequence that was cancelled has been read and counted, it has failed, or it takes longer than <paramref name="patience"/>.</summary>
    public async Task CountEnd(TimeSpan patience)
    {
        while (!Ended && await Next(patience, CancellationToken.None) is not null)
        {
            // Tokens that nobody reads any longer.
        }
    }

    private GenerateUpdate Take()
    {
        if (_failure is not null && _tokens.Count == 0)
        {
            throw _failure;
        }

        List<GeneratedToken> tokens = _tokens;
        _tokens = [];
        return _end is null
            ? new GenerateUpdate { Tokens = tokens }
            : new GenerateUpdate { Tokens = tokens, Finish = EngineMapping.ToFinish(_end.Cause), Usage = EngineMapping.ToUsage(_end.Usage) };
    }

    private void ReadUpdates()
    {
        while (_end is null && updates.TryRead(out SequenceUpdate update))
        {
            if (update.End is { } end)
            {
                _end = end;
                metrics.End(end);
                return;
            }

            _tokens.Add(EngineMapping.ToToken(update.Token!.Value));
            NoteGap();
        }

        if (_end is null && updates.Completion.IsCompleted)
        {
            _failure ??= updates.Completion.Exception?.InnerException is EngineException failure
                ? EngineMapping.ToException(failure)
                : new GridException(GridError.Internal, "The engine's stream ended without an end.");
        }
    }

    private void NoteGap()
    {
        long now = time.GetTimestamp();
        if (_lastToken != 0)
        {
            metrics.Gap(time.GetElapsedTime(_lastToken, now));
        }

        _lastToken = now;
    }
}
