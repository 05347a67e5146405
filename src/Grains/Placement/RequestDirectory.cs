using Orleans.GrainDirectory;

namespace ServingGrid.Grains.Placement;

/// <summary>
/// The directory of request grains, which holds nothing: a request's key is used once, so that there is no other activation to find, and the calls
/// after the first say themselves where it runs (<see cref="Client.Placement.PlacementHints.SetHome"/>). Orleans' own directory is spread over all
/// silos: a request would wait for the one that its key falls to, also when that is frozen, until membership has it out.
/// </summary>
internal sealed class RequestDirectory : IGrainDirectory
{
    /// <summary>Name for <see cref="GrainDirectoryAttribute"/>.</summary>
    public const string Name = "requests";

    public Task<GrainAddress?> Register(GrainAddress address) => Task.FromResult<GrainAddress?>(address);

    public Task<GrainAddress?> Register(GrainAddress address, GrainAddress? previousAddress) => Task.FromResult<GrainAddress?>(address);

    public Task Unregister(GrainAddress address) => Task.CompletedTask;

    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult<GrainAddress?>(null);

    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
