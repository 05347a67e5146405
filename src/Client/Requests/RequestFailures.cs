using Orleans.Runtime.Messaging;

namespace ServingGrid.Client.Requests;

/// <summary>Tells failures of the grid's machinery, after which another attempt may succeed, from failures of the request.</summary>
internal static class RequestFailures
{
    /// <param name="failure">What an attempt threw.</param>
    /// <param name="resuming">
    /// True when an earlier attempt was accepted: then a full queue is no reason to give up what has been computed already.
    /// </param>
    public static bool IsTransient(Exception failure, bool resuming) => failure switch
    {
        GridException { Error: GridError.Unavailable or GridError.NumericsGone } => true,
        GridException { Error: GridError.Overloaded } => resuming,
        GridException => false,

        // A stream of a silo that shuts down is cancelled, without the caller's asking.
        OperationCanceledException => true,
        TimeoutException => true,
        EnumerationAbortedException => true,
        OrleansException => true,
        IOException => true,
        _ => false,
    };

    /// <summary>
    /// True when an attempt's silo was lost without a word: it died, froze or was cut off, or this client stood still; which of them,
    /// only the grid can tell.
    /// </summary>
    public static bool IsLoss(Exception? failure) => failure is TimeoutException or OrleansMessageRejectionException or ConnectionFailedException or IOException;

    /// <summary>How long to wait before attempt <paramref name="number"/> (1, 2, …): long enough for membership to move on, never long.</summary>
    public static TimeSpan Backoff(int number, Random random)
    {
        double milliseconds = Math.Min(50 * Math.Pow(2, number - 1), 1000);
        return TimeSpan.FromMilliseconds(milliseconds * (0.5 + 0.5 * random.NextDouble()));
    }
}
