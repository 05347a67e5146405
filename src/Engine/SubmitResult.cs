namespace ServingGrid.Engine;

/// <summary>Why an engine does not take a sequence.</summary>
public enum RefusalReason
{
    /// <summary>A field of the request is wrong: it would be refused at any time.</summary>
    InvalidRequest,

    /// <summary>Its prompt does not fit into the context: it would be refused at any time.</summary>
    TooLong,

    /// <summary>The waiting queue is full: try again after <see cref="Refusal.RetryAfter"/>.</summary>
    QueueFull,

    /// <summary>The engine is draining or has stopped.</summary>
    Stopping,

    /// <summary>The device has failed: for good, or until <see cref="Refusal.RetryAfter"/> if that is set.</summary>
    Failed,

    /// <summary>The answer is complete: there is no prompt to hand over. <see cref="InferenceEngine.Submit"/> takes it and says how it ended.</summary>
    Finished,
}

/// <summary>A refused request.</summary>
/// <param name="Reason">What the caller decides by.</param>
/// <param name="Message">One sentence.</param>
/// <param name="Parameter">The field that is wrong ("top_p"), with <see cref="RefusalReason.InvalidRequest"/> and <see cref="RefusalReason.TooLong"/>.</param>
/// <param name="RetryAfter">With <see cref="RefusalReason.QueueFull"/>, and with <see cref="RefusalReason.Failed"/> while the engine
/// recovers.</param>
public sealed record Refusal(RefusalReason Reason, string Message, string? Parameter = null, TimeSpan? RetryAfter = null);

/// <summary>The answer to a request for work: exactly one of the two is set.</summary>
/// <typeparam name="T">What an accepted request yields.</typeparam>
/// <param name="Accepted">The work, accepted.</param>
/// <param name="Refused">Why not.</param>
public readonly record struct SubmitResult<T>(T? Accepted, Refusal? Refused)
    where T : class
{
    public static implicit operator SubmitResult<T>(T accepted) => new(accepted, null);

    public static implicit operator SubmitResult<T>(Refusal refused) => new(null, refused);
}
