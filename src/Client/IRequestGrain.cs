namespace ServingGrid.Client;

/// <summary>
/// Drives one attempt of one request through its stages. Key: request id and attempt. Lives on the decode silo that was
/// chosen for it, so that tokens cross the network once.
/// </summary>
public interface IRequestGrain : IGrainWithStringKey
{
    /// <summary>
    /// Runs the request. The first item says where, and only when the next one is asked for does the device get the request: whatever that
    /// does to its process, the client knows whom it was given to. Items follow as tokens appear, and a heartbeat at least every 500 ms.
    /// With <see cref="GenerateAttempt.Push"/> tokens go there as they appear, and the items bring them again with the heartbeats: the stream is complete either way. The enumeration's
    /// cancellation or early end frees everything within one step of the engine.
    /// </summary>
    /// <exception cref="GridException">After the items already yielded.</exception>
    IAsyncEnumerable<GenerateUpdate> Generate(GenerateAttempt attempt, CancellationToken cancellation = default);
}

/// <summary>One attempt at a request: after a silo died, the next attempt carries the tokens that the client already has.</summary>
[GenerateSerializer, Immutable]
public sealed record GenerateAttempt
{
    [Id(0)]
    public required GenerateRequest Request { get; init; }

    /// <summary>0 for the first.</summary>
    [Id(1)]
    public int Number { get; init; }

    /// <summary>Tokens of the answer that earlier attempts delivered: computed again as prompt, not reported again.</summary>
    [Id(2)]
    public int[] Generated { get; init; } = [];

    /// <summary>Devices that earlier attempts lost: placed there again only if there is no other.</summary>
    [Id(3)]
    public string[] Avoid { get; init; } = [];

    /// <summary>Where tokens go at once; null: they come with the stream's items alone.</summary>
    [Id(4)]
    public TokenRoute? Push { get; init; }

    /// <summary>
    /// Devices that the request itself has failed on (<see cref="GridError.RequestFailed"/>), which refuse it from now on. They are among
    /// <see cref="Avoid"/>.
    /// </summary>
    [Id(5)]
    public string[] Failed { get; init; } = [];

    /// <summary>The class of arithmetic of <see cref="Generated"/>, which the attempt has to run in; null: any.</summary>
    [Id(6)]
    public string? Numerics { get; init; }

    /// <summary>The class in which the answer began, if it may go on in another; for the status page.</summary>
    [Id(7)]
    public string? ChangedFrom { get; init; }
}
