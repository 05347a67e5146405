namespace ServingGrid.Grains.Hosting;

/// <summary>What of Orleans' log is of no use to an operator.</summary>
public static class OrleansLogging
{
    /// <summary>
    /// Leaves errors, but for those that are said better elsewhere (a failed start, which the program prints in one sentence) or are
    /// no fault at all: connections that break and directories that are handed over when a silo dies, placements that are tried again.
    /// </summary>
    public static ILoggingBuilder QuietOrleans(this ILoggingBuilder logging) => logging
        .AddFilter("Orleans", LogLevel.Error)
        .AddFilter("Orleans.Runtime.GrainDirectory", LogLevel.Critical)
        .AddFilter("Orleans.Runtime.GrainCallCancellationManager", LogLevel.Critical)
        .AddFilter("Orleans.Runtime.MembershipService.SiloMetadata", LogLevel.Critical)
        .AddFilter("Orleans.Runtime.Metadata", LogLevel.Critical)
        .AddFilter("Orleans.Runtime.SiloLifecycleSubject", LogLevel.None)
        .AddFilter("Orleans.Runtime.Silo", LogLevel.None)
        .AddFilter("Orleans.Runtime.Messaging", LogLevel.Critical)
        .AddFilter("Polly", LogLevel.None);
}
