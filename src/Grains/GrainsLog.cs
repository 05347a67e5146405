using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains;

internal static partial class GrainsLog
{
    [LoggerMessage(1, LogLevel.Information, "Device {Device} joins model {Model} as {Role}")]
    public static partial void DeviceJoined(this ILogger log, string device, string model, DeviceRole role);

    [LoggerMessage(31, LogLevel.Warning, "Device {Device} gives way to one that was in the grid before it: {Reason}")]
    public static partial void DeviceGivesWay(this ILogger log, string device, string reason);

    [LoggerMessage(2, LogLevel.Information, "Device {Device} has left model {Model}")]
    public static partial void DeviceLeft(this ILogger log, string device, string model);

    [LoggerMessage(3, LogLevel.Warning, "The view of model {Model} is {Age:0.0} s old: placing by power of two")]
    public static partial void ViewTooOld(this ILogger log, string model, double age);

    [LoggerMessage(4, LogLevel.Warning, "No device is known for model '{Model}': {Grain} is placed anywhere")]
    public static partial void PlacedAnywhere(this ILogger log, string model, string grain);

    [LoggerMessage(5, LogLevel.Warning, "{What} does not answer ({Reason}): asked again until it does")]
    public static partial void NoAnswer(this ILogger log, string what, string reason);

    [LoggerMessage(30, LogLevel.Error, "This silo's device is outside the grid and gets no requests: {Reason}")]
    public static partial void DeviceRefused(this ILogger log, string reason);

    [LoggerMessage(7, LogLevel.Information, "Request {RequestId} stopped: its client has not read for {Seconds:0} s")]
    public static partial void Orphaned(this ILogger log, string requestId, double seconds);

    [LoggerMessage(8, LogLevel.Information, "Device {Device} drains: {Requests} requests are left")]
    public static partial void Draining(this ILogger log, string device, int requests);

    [LoggerMessage(
        9,
        LogLevel.Information,
        "Model {Model} on {Device} ({Hardware}): {Blocks} KV blocks, context {Context}, role {Role}, numerics class {Numerics}")]
    public static partial void WorkerReady(
        this ILogger log, string model, string device, string hardware, int blocks, int context, DeviceRole role, string numerics);

    [LoggerMessage(10, LogLevel.Error, "The warm-up of {Device} failed: {Reason}")]
    public static partial void WarmUpFailed(this ILogger log, string device, string reason);

    [LoggerMessage(11, LogLevel.Warning, "Request {RequestId}: the prefill on {Device} failed: {Reason}")]
    public static partial void PrefillFailed(this ILogger log, string requestId, string device, string reason);

    [LoggerMessage(12, LogLevel.Debug, "Tokens could not be pushed to a client: they come with the heartbeats")]
    public static partial void PushFailed(this ILogger log, Exception failure);

    [LoggerMessage(13, LogLevel.Warning, "The lost device {Device} could not be closed: {Reason}")]
    public static partial void LostDeviceNotClosed(this ILogger log, string device, string reason);

    [LoggerMessage(14, LogLevel.Critical, "The process ends with exit code {Code} because its device {Device} is lost: {Reason}")]
    public static partial void EndsWithoutDevice(this ILogger log, string device, int code, string? reason);

    [LoggerMessage(15, LogLevel.Warning, "The lost device {Device} was opened anew in {Seconds:0.0} s and serves again")]
    public static partial void DeviceReopened(this ILogger log, string device, double seconds);

    [LoggerMessage(16, LogLevel.Error, "The lost device {Device} cannot be opened anew: {Reason} (the next attempt follows in {Seconds:0} s)")]
    public static partial void DeviceNotReopened(this ILogger log, string device, string reason, double seconds);

    [LoggerMessage(20, LogLevel.Warning, "{Sentence}")]
    public static partial void DevicePassedOver(this ILogger log, string sentence);

    [LoggerMessage(21, LogLevel.Warning, "Prefill device {Device} gets no prompts for {Seconds:0.0} s: {Reason}")]
    public static partial void BreakerOpened(this ILogger log, string device, double seconds, string reason);

    [LoggerMessage(22, LogLevel.Information, "Prefill device {Device} is back")]
    public static partial void BreakerClosed(this ILogger log, string device);
}
