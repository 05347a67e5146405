using Microsoft.Extensions.Logging;

namespace ServingGrid.Engine.Execution;

internal static partial class EngineLog
{
    [LoggerMessage(1, LogLevel.Information, "Engine on {Device} ({Kernels}): {Blocks} KV blocks of {BlockSize} tokens, context {Context}")]
    public static partial void Started(ILogger logger, string device, string kernels, int blocks, int blockSize, int context);

    [LoggerMessage(2, LogLevel.Error, "A step failed on {Device}: {Sequences} sequences are failed and the engine is out of service")]
    public static partial void Failed(ILogger logger, Exception exception, string device, int sequences);

    [LoggerMessage(3, LogLevel.Warning, "The blocks of {Id} were taken back: their deadline has passed")]
    public static partial void Expired(ILogger logger, string id);

    [LoggerMessage(4, LogLevel.Warning, "{Device}: {Refusal}")]
    public static partial void ThreadRefused(ILogger logger, string device, string refusal);
}
