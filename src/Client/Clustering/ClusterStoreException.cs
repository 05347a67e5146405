namespace ServingGrid.Client.Clustering;

/// <summary>The membership store is of no use as it is configured; one sentence says why.</summary>
public sealed class ClusterStoreException(string message, Exception? inner = null) : Exception(message, inner);
