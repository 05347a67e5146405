using Microsoft.Extensions.Logging;

namespace ServingGrid.Client;

internal static partial class ClientLog
{
    [LoggerMessage(1, LogLevel.Debug, "A stream whose silo was given up could not be closed")]
    public static partial void AbandonedStreamFailed(this ILogger log, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "Request {RequestId}: attempt {Attempt} ended after {Tokens} tokens ({Reason}); it goes on elsewhere")]
    public static partial void AttemptLost(this ILogger log, string requestId, int attempt, int tokens, string reason);

    [LoggerMessage(3, LogLevel.Information, "Model {Model}: tokenizer and template fetched from the grid ({Bytes} bytes)")]
    public static partial void ModelFetched(this ILogger log, string model, long bytes);

    [LoggerMessage(4, LogLevel.Information, "Connected to the grid at {Cluster}")]
    public static partial void Connected(this ILogger log, string cluster);

    [LoggerMessage(5, LogLevel.Warning, "The grid at {Cluster} cannot be reached ({Reason}); it is tried again until it can")]
    public static partial void NotConnected(this ILogger log, string cluster, string reason);

    [LoggerMessage(6, LogLevel.Warning, "Request {RequestId}: attempt {Attempt} has shown nothing for {Seconds:0.0} s; another one is started beside it")]
    public static partial void AttemptSilent(this ILogger log, string requestId, int attempt, double seconds);

    [LoggerMessage(7, LogLevel.Critical, "The client of the grid at {Cluster} cannot start: {Reason}")]
    public static partial void ClientFailed(this ILogger log, string cluster, string reason);

    [LoggerMessage(8, LogLevel.Debug, "Model {Model}: the grid does not say whether it is served as before ({Reason})")]
    public static partial void ModelNotChecked(this ILogger log, string model, string reason);

    [LoggerMessage(9, LogLevel.Warning, "Request {RequestId}: attempt {Attempt} failed on {Device}, which goes on ({Reason}); one other device is asked")]
    public static partial void AttemptFailed(this ILogger log, string requestId, int attempt, string device, string reason);

    [LoggerMessage(10, LogLevel.Debug, "The grid does not say which silos are dead ({Reason})")]
    public static partial void DeadNotFound(this ILogger log, string reason);

    [LoggerMessage(
        20,
        LogLevel.Warning,
        "Request {RequestId}: no device of numerics class {From} is left; the answer goes on in {To}, with other tokens than in its own")]
    public static partial void NumericsChanged(this ILogger log, string requestId, string from, string to);
}
