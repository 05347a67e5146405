using Orleans.Runtime.MembershipService.SiloMetadata;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Grid;

/// <summary>The silos that membership takes to be alive, as this one knows it. Thread-safe.</summary>
internal sealed class ActiveSilos(IClusterMembershipService membership, ISiloMetadataCache metadata)
{
    /// <summary>All of them.</summary>
    public IEnumerable<SiloAddress> All =>
        membership.CurrentSnapshot.Members.Values.Where(member => member.Status == SiloStatus.Active).Select(member => member.SiloAddress);

    /// <summary>Those with a model, and those of which it is not known yet what they have.</summary>
    public IEnumerable<SiloAddress> ThatMayServe(string model) =>
        All.Where(silo => !metadata.GetSiloMetadata(silo).Metadata.TryGetValue(WorkerMetadata.Model, out string? other) || other == model);
}
