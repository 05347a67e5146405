namespace ServingGrid.Engine;

/// <summary>What ended an accepted sequence before its time.</summary>
public enum EngineFailure
{
    /// <summary>No sequence is to blame: a step failed, or what this one read was spoiled by another. It may go on elsewhere, or here once the engine is back.</summary>
    DeviceFailed,

    /// <summary>The engine was disposed.</summary>
    Stopped,

    /// <summary>A reservation or pinned blocks were not used before their deadline.</summary>
    Expired,

    /// <summary>The reservation was released by its owner.</summary>
    Released,

    /// <summary>The model's output for this sequence is not a number, or its sampling parameters leave none that is.</summary>
    InvalidOutput,

    /// <summary>What is done for this sequence alone threw, or a step with it alone failed on a device that computes others.</summary>
    SequenceFailed,

    /// <summary>
    /// A prompt of another device would have to wait for what this one keeps for prompts that others compute: it is to be computed
    /// elsewhere.
    /// </summary>
    NoRoom,
}

/// <summary>An accepted sequence could not be finished.</summary>
public sealed class EngineException(EngineFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What is done for this sequence alone has thrown.</summary>
    internal static EngineException OfSequence(string id, Exception inner) =>
        new(EngineFailure.SequenceFailed, $"what {id} needs besides the model failed: {inner.Message}", inner);

    public EngineFailure Failure { get; } = failure;

    /// <summary>True when the sequence itself is to blame: the same one would end so on every device of the kind.</summary>
    public bool BlamesSequence => Failure is EngineFailure.InvalidOutput or EngineFailure.SequenceFailed;
}
