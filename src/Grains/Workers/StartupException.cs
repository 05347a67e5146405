namespace ServingGrid.Grains.Workers;

/// <summary>A process cannot start, for a reason that its operator can mend. The message is one sentence: programs print it and exit with 1.</summary>
public sealed class StartupException(string message, Exception? inner = null) : Exception(message, inner);
