namespace ServingGrid.Benchmarks.Http;

/// <summary>A server refused a request or broke off: there is nothing to report, and one sentence says why.</summary>
internal sealed class ServerException(string message) : Exception(message);
