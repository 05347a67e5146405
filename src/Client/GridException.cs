namespace ServingGrid.Client;

/// <summary>What kind of failure a request met: the caller decides what to do by it, the Gateway chooses a status by it.</summary>
[GenerateSerializer]
public enum GridError
{
    /// <summary>The request itself is wrong (too long for the context, an option out of range).</summary>
    InvalidRequest,

    /// <summary>No such model in the grid.</summary>
    ModelNotFound,

    /// <summary>The queue of every device that was asked is full: try again after <see cref="GridException.RetryAfter"/>.</summary>
    Overloaded,

    /// <summary>The grid has no silo that could serve this now, or lost it and found no other in time.</summary>
    Unavailable,

    /// <summary>A deadline passed.</summary>
    Timeout,

    /// <summary>A defect or a failed device.</summary>
    Internal,

    /// <summary>The grid serves another file under the model's name than the one that the prompt was made for: make it anew.</summary>
    ModelChanged,

    /// <summary>The request itself fails, on every device that was asked: it would fail again. <see cref="GridException.Device"/> is the last of them.</summary>
    RequestFailed,

    /// <summary>
    /// The grid has no device left that computes as the answer's tokens so far were computed. Seen by <see cref="GridClient"/> alone.
    /// </summary>
    NumericsGone,
}

/// <summary>A request that the grid could not serve. Crosses grain calls.</summary>
[GenerateSerializer]
public sealed class GridException : Exception
{
    public GridException(GridError error, string message, Exception? inner = null)
        : base(message, inner) => Error = error;

    [Id(0)]
    public GridError Error { get; init; }

    /// <summary>With <see cref="GridError.Overloaded"/>.</summary>
    [Id(1)]
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The request's field that is wrong ("max_tokens"), with <see cref="GridError.InvalidRequest"/>.</summary>
    [Id(2)]
    public string? Parameter { get; init; }

    /// <summary>
    /// The device whose queue is full, with <see cref="GridError.Overloaded"/>: another may have room; or the one that the request failed on, with
    /// <see cref="GridError.RequestFailed"/>.
    /// </summary>
    [Id(3)]
    public string? Device { get; init; }

    /// <summary>What a program can switch on ("context_length_exceeded"), with <see cref="GridError.InvalidRequest"/>.</summary>
    [Id(4)]
    public string? Code { get; init; }
}
