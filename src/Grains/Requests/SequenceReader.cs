using System.Threading.Channels;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Requests;

/// <summary>Turns the updates of one sequence into items of a stream: all that is there at once makes one item.</summary>
internal sealed class SequenceReader(ChannelReader<SequenceUpdate> updates, RequestMetrics metrics, TimeProvider time)
{
    private Task<bool>? _ready;
    private long _lastToken;
    private bool _ended;

    /// <summary>The next item; null when nothing came within <paramref name="patience"/>.</summary>
    /// <exception cref="GridException">The engine gave the sequence up.</exception>
    public async Task<GenerateUpdate?> Next(TimeSpan patience, CancellationToken cancellation)
    {
        List<GeneratedToken> tokens = [];
        try
        {
            // The wait outlives a heartbeat: a channel has one waiter at a time.
            _ready ??= updates.WaitToReadAsync(CancellationToken.None).AsTask();
            if (!_ready.IsCompleted)
            {
                await _ready.WaitAsync(patience, time, cancellation);
            }

            bool open = await _ready;
            _ready = null;
            while (updates.TryRead(out SequenceUpdate update))
            {
                if (update.End is { } end)
                {
                    _ended = true;
                    metrics.End(end);
                    return new GenerateUpdate { Tokens = tokens, Finish = EngineMapping.ToFinish(end.Cause), Usage = EngineMapping.ToUsage(end.Usage) };
                }

                tokens.Add(EngineMapping.ToToken(update.Token!.Value));
                NoteGap();
            }

            return open ? new GenerateUpdate { Tokens = tokens } : throw new GridException(GridError.Internal, "The engine's stream ended without an end.");
        }
        catch (TimeoutException) when (!_ready!.IsCompleted)
        {
            return null;
        }
        catch (TimeoutException)
        {
            return await Next(patience, cancellation);
        }
        catch (EngineException failure)
        {
            throw EngineMapping.ToException(failure);
        }
    }

    /// <summary>Counts how a sequence that was cancelled has ended, unless its end was read before, it fails, or it takes longer than <paramref name="patience"/>.</summary>
    public async Task CountEnd(TimeSpan patience)
    {
        try
        {
            while (!_ended && await Next(patience, CancellationToken.None) is not null)
            {
                // Tokens that nobody reads any longer.
            }
        }
        catch (GridException)
        {
            // It failed: the client was told, or its silo stops.
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
