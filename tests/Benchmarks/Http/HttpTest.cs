using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Http;

/// <summary>One kind of load. A round adds to what the earlier ones found.</summary>
internal abstract class HttpTest(string name)
{
    public string Name => name;

    public abstract Task RunAsync(ServerUnderTest server, Findings findings);
}
