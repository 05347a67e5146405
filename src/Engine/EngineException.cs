namespace ServingGrid.Engine;

/// <summary>What ended an accepted sequence before its time.</summary>
public enum EngineFailure
{
    /// <summary>A step failed; the engine is out of service.</summary>
    DeviceFailed,

    /// <summary>The engine was disposed.</summary>
    Stopped,

    /// <summary>A reservation or pinned blocks were not used before their deadline.</summary>
    Expired,

    /// <summary>The reservation was released by its owner.</summary>
    Released,

    /// <summary>The model's output for this sequence is not a number.</summary>
    InvalidOutput,
}

/// <summary>An accepted sequence could not be finished.</summary>
public sealed class EngineException(EngineFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    public EngineFailure Failure { get; } = failure;
}
