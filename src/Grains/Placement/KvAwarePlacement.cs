using ServingGrid.Client.Placement;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Routing;

namespace ServingGrid.Grains.Placement;

/// <summary>A request goes to the decode device that has to do least for it: see <see cref="DeviceRouter"/>.</summary>
public sealed class KvAwarePlacement : PlacementStrategy;

/// <summary>Places a grain by <see cref="KvAwarePlacement"/>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class KvAwarePlacementAttribute() : PlacementAttribute(new KvAwarePlacement());

/// <summary>
/// Director of <see cref="KvAwarePlacement"/>. Reads this silo's view, makes no call and does not throw: a request that it
/// cannot place well goes anywhere and is refused there with a reason.
/// </summary>
internal sealed class KvAwareDirector(DeviceRouter router, GridView view, ILogger<KvAwareDirector> log) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        SiloAddress[] silos = context.GetCompatibleSilos(target);
        if (PlacementHints.ReadHome(target.RequestContextData) is { } home && view.FindDevice(home)?.Identity.Silo is { } silo && silos.Contains(silo))
        {
            // It runs already; this silo has not seen it before.
            return Task.FromResult(silo);
        }

        (string model, int tokens, ulong[][] hashes, string[] avoid, string? numerics) = PlacementHints.Read(target.RequestContextData);
        HashSet<SiloAddress> reachable = [.. silos];
        RoutingQuery query = new(model, tokens, hashes.FirstOrDefault() ?? [], avoid)
        {
            OtherHashes = [.. hashes.Skip(1)],
            Numerics = numerics,
        };
        DeviceView? device = router.ChooseDecode(query, device => reachable.Contains(device.Identity.Silo));
        return Task.FromResult(device?.Identity.Silo ?? Fallback.Any(silos, model, target, log));
    }
}

/// <summary>Where a grain goes when nothing is known.</summary>
internal static class Fallback
{
    public static SiloAddress Any(SiloAddress[] silos, string model, PlacementTarget target, ILogger log)
    {
        GridMetrics.PlacementFallbacks.Add(1, new KeyValuePair<string, object?>("grain", target.GrainIdentity.Type.ToString()));
        log.PlacedAnywhere(model, target.GrainIdentity.ToString());
        return silos[Random.Shared.Next(silos.Length)];
    }
}
