using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Disaggregation;

/// <summary>Announces the blocks of a prompt that is computed for another device, and hands over its first token.</summary>
internal sealed class PrefillOutput(PrefillHandle handle, IPrefillSink sink, int skipBlocks, TimeSpan lifetime) : ISequenceOutput
{
    private int _announced = skipBlocks;
    private bool _completed;

    public PrefillHandle Handle { get; } = handle;

    public TimeSpan Lifetime { get; } = lifetime;

    /// <summary>Timestamp at which the pin ends, once the prompt is computed.</summary>
    public long Deadline { get; set; }

    /// <summary>Somebody may be fetching its blocks: they cannot be computed anew.</summary>
    public bool HasAnnounced { get; private set; }

    /// <summary>Announces blocks whose content is final.</summary>
    public void Announce(Sequence sequence, int blockSize)
    {
        int ready = sequence.Computed == sequence.Count ? sequence.Table.Count : sequence.Computed / blockSize;
        if (ready > _announced)
        {
            Handle.Publish(sequence.Table.Blocks, ready);
            HasAnnounced = true;
            sink.BlocksReady(Handle, _announced, ready - _announced);
            _announced = ready;
        }
    }

    public void Complete(ChosenToken first, int cachedTokens)
    {
        _completed = true;
        sink.Completed(Handle, first, cachedTokens);
    }

    /// <inheritdoc/>
    public void Token(ChosenToken token) => throw new InvalidOperationException("a prefill hands over its token with its end");

    /// <summary>Its owner has released it: not news once it was completed.</summary>
    public void End(SequenceEnd end)
    {
        if (!_completed)
        {
            Fail(new EngineException(EngineFailure.Released, $"prefill {Handle.Id} was released before it was computed"));
        }
    }

    /// <inheritdoc/>
    public void Fail(EngineException reason) => sink.Failed(Handle, reason);
}
