using System.Threading.Channels;

namespace ServingGrid.Engine;

/// <summary>An accepted sequence, in its owner's hands. Thread-safe; <see cref="Updates"/> has one reader.</summary>
public sealed class SequenceHandle
{
    private readonly Action _cancel;

    internal SequenceHandle(string id, ChannelReader<SequenceUpdate> updates, Action cancel)
    {
        Id = id;
        Updates = updates;
        _cancel = cancel;
    }

    /// <summary><see cref="SequenceRequest.Id"/></summary>
    public string Id { get; }

    /// <summary>
    /// Tokens as they are chosen, then one item with an end. A sequence that fails completes the channel with an
    /// <see cref="EngineException"/> instead. Holds no more than the answer's tokens.
    /// </summary>
    public ChannelReader<SequenceUpdate> Updates { get; }

    /// <summary>Ends the sequence within one step and frees its blocks; without effect on one that has ended.</summary>
    public void Cancel() => _cancel();
}
