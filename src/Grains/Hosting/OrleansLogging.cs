namespace ServingGrid.Grains.Hosting;

/// <summary>What of Orleans' log is of no use to an operator.</summary>
public static class OrleansLogging
{
    /// <summary>
    /// Hides what is said better elsewhere (a failed start, which the program prints in one sentence) or is no fault at all: connections
    /// that break when a silo dies, placements that are tried again, and a watchdog that calls the time since boot a stall.
    /// </summary>
    public static ILoggingBuilder QuietOrleans(this ILoggingBuilder logging) => logging
        .AddFilter("Orleans.Runtime.SiloLifecycleSubject", LogLevel.None)
        .AddFilter("Orleans.Runtime.Silo", LogLevel.None)
        .AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error)
        .AddFilter("Orleans.Runtime.CallbackData", LogLevel.Error)
        .AddFilter("Orleans.Runtime.Messaging", LogLevel.Critical)
        .AddFilter("Orleans.Grain.InvokeException", LogLevel.Error)
        .AddFilter("Polly", LogLevel.None);
}
