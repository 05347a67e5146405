using Microsoft.Extensions.Logging;

namespace ServingGrid.Engine.Execution;

internal static partial class EngineLog
{
    [LoggerMessage(1, LogLevel.Information, "Engine on {Device} ({Kernels}): {Blocks} KV blocks of {BlockSize} tokens, context {Context}")]
    public static partial void Started(ILogger logger, string device, string kernels, int blocks, int blockSize, int context);

    [LoggerMessage(2, LogLevel.Critical, "{Device} is out of service for good: {Reason}")]
    public static partial void Lost(ILogger logger, Exception exception, string device, string reason);

    [LoggerMessage(3, LogLevel.Warning, "The blocks of {Id} were taken back: their deadline has passed")]
    public static partial void Expired(ILogger logger, string id);

    [LoggerMessage(4, LogLevel.Warning, "{Device}: {Refusal}")]
    public static partial void ThreadRefused(ILogger logger, string device, string refusal);

    [LoggerMessage(5, LogLevel.Error, "A step failed on {Device}: its {Sequences} sequences go on one at a time")]
    public static partial void StepFailed(ILogger logger, Exception exception, string device, int sequences);

    [LoggerMessage(
        6, LogLevel.Warning, "A step that failed on {Device} succeeds with each of its sequences alone: no sequence is to blame")]
    public static partial void StepFailureWasTransient(ILogger logger, string device);

    [LoggerMessage(7, LogLevel.Error, "One sequence is failed, the others go on: {Reason}")]
    public static partial void Blamed(ILogger logger, Exception? exception, string reason);

    [LoggerMessage(
        8, LogLevel.Warning, "The logits of {Id} are not numbers: it is computed once more, and what it has read is not used again")]
    public static partial void StartsOver(ILogger logger, string id);

    [LoggerMessage(9, LogLevel.Error, "{Device} failed and no sequence is to blame: {Sequences} sequences and the KV cache are given up")]
    public static partial void Recovering(ILogger logger, Exception exception, string device, int sequences);

    [LoggerMessage(10, LogLevel.Warning, "{Device} serves again, {Milliseconds:F0} ms after it had failed")]
    public static partial void Recovered(ILogger logger, string device, double milliseconds);

    [LoggerMessage(11, LogLevel.Error, "The reader of {Id} threw when it was told of the end")]
    public static partial void ReaderThrew(ILogger logger, Exception exception, string id);

    [LoggerMessage(12, LogLevel.Error, "A listener of the engine on {Device} threw; the engine goes on")]
    public static partial void ListenerThrew(ILogger logger, Exception exception, string device);

    [LoggerMessage(13, LogLevel.Error, "A command to the engine on {Device} failed; those after it are run")]
    public static partial void CommandThrew(ILogger logger, Exception exception, string device);
}
